import itertools
from collections.abc import Callable

import moving_head as heads
import numpy as np
import pytest
from face_cast import cast_head, line
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_mer.core.track import face_centre
from stream_mer.core.tracking import FaceTracker, TrackerSettings
from stream_mer.core.warp import sample_f32
from stream_mer.types import Box, Detection, FaceTrack, Frame, Similarity

FPS = 25.0
SIZE = (180, 320)
Detect = Callable[[int], list[Detection]]


def frame_of(i, rgb, epoch=0, fps=FPS):
    return Frame(i, round(i * 1e9 / fps), rgb, epoch)


def film(actors, n, size=SIZE, noise=1.0):
    """Frames with several heads; later actors stand in front. ``actors``: (head, poses) or None poses."""
    rng, frames = np.random.default_rng(0), []
    for i in range(n):
        picture = None
        for head, poses in actors:
            if i < len(poses) and poses[i] is not None:
                picture = head.draw(poses[i], under=picture)
        picture = actors[0][0].background if picture is None else picture
        frames.append(
            np.clip(np.rint(picture + rng.normal(0, noise, picture.shape)), 0, 255).astype(np.uint8)
        )
    return frames


def seen_by(actors, hidden=lambda _i, _k: False, noise=1.0, seed=0) -> Detect:
    """A detector that knows the truth, with noisy key points; an actor covered by a later one is not seen."""
    rng = np.random.default_rng(seed)

    def detect(i):
        found = []
        for k, (_, poses) in enumerate(actors):
            pose = poses[i] if i < len(poses) else None
            covered = any(
                i < len(other) and other[i] is not None and pose is not None
                and np.hypot(*np.subtract(face_centre(other[i]), face_centre(pose))) < 60 * pose.scale
                for _, other in actors[k + 1 :]
            )  # fmt: skip
            if pose is not None and not covered and not hidden(i, k):
                found.append(heads.detection(pose, rng=rng, noise=noise))
        return found

    return detect


def run(frames, detect, tracker=None, wants=None, epochs=None) -> list[tuple[FaceTrack, ...]]:
    tracker = tracker or FaceTracker()
    out = []
    for i, rgb in enumerate(frames):
        frame = frame_of(i, rgb, 0 if epochs is None else epochs[i])
        ask = tracker.wants_detection(frame.pts_ns, frame.epoch) if wants is None else wants(i)
        out.append(tracker.update(frame, detect(i) if ask else None))
    return out


def owner(track, poses_at):
    """Which actor a track sits on, None if on nobody."""
    for k, pose in enumerate(poses_at):
        if (
            pose is not None
            and np.hypot(*np.subtract(face_centre(track.pose), face_centre(pose))) < 20 * pose.scale
        ):
            return k
    return None


@pytest.fixture(scope="module")
def alone():
    motion = heads.script(1, 60, FPS, 72, SIZE, speed=0.25)
    head = cast_head(SIZE)
    return (head, motion.poses), film([(head, motion.poses)], 60)


def test_one_face_is_one_unbroken_track(alone):
    actor, frames = alone
    out = run(frames, seen_by([actor]))
    assert {(t.track_id, t.segment) for shown in out for t in shown} == {(1, 0)}
    assert all(len(shown) == 1 for shown in out[4:])
    assert min(t.quality for shown in out for t in shown) > 0.95
    truth = [p for p, shown in zip(actor[1], out, strict=True) if shown]
    found = [shown[0].pose for shown in out if shown]
    assert heads.jitter(heads.crop_errors(truth, found)[8:], FPS) < 0.02
    assert found[-1].scale * 92 == pytest.approx(out[-1][0].face_px)


def test_a_new_face_is_shown_only_once_confirmed(alone):
    actor, frames = alone
    once = run(frames[:25], lambda i: seen_by([actor])(i) if i == 0 else [])
    assert not any(once)


def test_detection_is_wanted_seldom_unless_it_is_urgent():
    tracker = FaceTracker(TrackerSettings())
    head = cast_head(SIZE)
    poses = line(FPS, (160, 90), (0, 0), 72, 50)
    frames, detect = film([(head, poses)], 50), seen_by([(head, poses)])
    asked = []
    for i, rgb in enumerate(frames):
        if tracker.wants_detection(frame_of(i, rgb).pts_ns, 0):
            asked.append(i)
        tracker.update(frame_of(i, rgb), detect(i) if i in asked else None)
    assert asked[:3] == [0, 1, 2]
    assert all(4 <= b - a <= 6 for a, b in itertools.pairwise(asked[2:]))
    assert tracker.wants_detection(frame_of(50, frames[0]).pts_ns, epoch=1)


def test_crop_does_not_depend_on_where_detection_ran(alone):
    actor, frames = alone
    runs = []
    for phase in range(4):
        out = run(frames, seen_by([actor], seed=phase), wants=lambda i, p=phase: i >= p and (i - p) % 4 == 0)
        runs.append([shown[0].pose if shown else None for shown in out])
    span = range(16, 60)
    for other in runs[1:]:
        gap = heads.crop_errors([runs[0][i] for i in span], [other[i] for i in span])
        assert heads.jitter(gap, FPS) < 0.01  # LR px
        assert np.abs(gap).max() < 0.5  # a constant offset: what few noisy detections leave
        offset = gap.mean(0)
        assert np.abs(gap - offset).max() < 0.12


def test_crops_of_runs_with_different_phases_show_the_same_motion(alone):
    actor, frames = alone
    crops = []
    for phase in (0, 2):
        out = run(frames, seen_by([actor], noise=0.0), wants=lambda i, p=phase: i >= p and (i - p) % 4 == 0)
        crops.append(np.stack([sample_f32(frames[i], out[i][0].pose, 32).mean(-1) for i in range(16, 60)]))
    fast = [heads.high_pass(c.astype(np.float64), FPS) for c in crops]
    assert (fast[0] - fast[1])[:, 6:20, 8:24].std() < 0.15  # grey levels


@pytest.mark.parametrize("gap", [6, 12])
def test_id_survives_an_occlusion_and_the_segment_counts_it(gap):
    """Up to half a second behind a wall; the face keeps moving meanwhile."""
    head = cast_head(SIZE)
    poses = line(FPS, (110, 90), (40, 0), 72, 60)
    frames = film([(head, poses)], 60)
    for i in range(25, 25 + gap):
        frames[i] = np.clip(head.background, 0, 255).astype(np.uint8)
    out = run(frames, seen_by([(head, poses)], hidden=lambda i, _: 25 <= i < 25 + gap))
    assert not any(out[i] for i in range(25, 25 + gap))
    assert {t.track_id for shown in out for t in shown} == {1}
    assert out[24][0].segment == 0
    assert out[-1][0].segment == 1
    assert out[25 + gap + 2]


def test_a_face_gone_for_good_is_forgotten_and_a_new_one_gets_a_new_id():
    head, other = cast_head(SIZE), cast_head(SIZE, 1)
    first = [*line(FPS, (100, 90), (0, 0), 72, 20), *[None] * 60]
    second = [*[None] * 50, *line(FPS, (220, 90), (0, 0), 72, 30)]
    actors = [(head, first), (other, second)]
    out = run(film(actors, 80), seen_by(actors))
    assert not any(out[22:50])
    assert [t.track_id for t in out[-1]] == [2]


@pytest.mark.parametrize(("person", "speed", "apart"), [(1, 55, 4), (3, 40, -8), (3, 90, 10)])
def test_ids_survive_a_crossing(person, speed, apart):
    head, other = cast_head(SIZE), cast_head(SIZE, person)
    n = int(180 / speed * FPS)
    actors = [
        (head, line(FPS, (70, 90), (speed, 0), 64, n)),
        (other, line(FPS, (250, 90 + apart), (-speed, 0), 68, n)),
    ]
    out = run(film(actors, n), seen_by(actors))
    before = {t.track_id: owner(t, [a[1][12] for a in actors]) for t in out[12]}
    after = {t.track_id: owner(t, [a[1][-1] for a in actors]) for t in out[-1]}
    assert before == after
    assert sorted(before.values()) == [0, 1]
    for i, shown in enumerate(out):  # never two tracks on one face, never one on nobody
        owners = [owner(t, [a[1][i] for a in actors]) for t in shown]
        assert len(set(owners)) == len(owners)
        assert None not in owners


def test_a_false_registration_is_corrected_by_the_detector():
    """The detector says the face is elsewhere, twice: the crop goes there, as a new segment."""
    head = cast_head(SIZE)
    poses = line(FPS, (110, 90), (0, 0), 72, 40)
    frames = film([(head, poses)], 40)
    shifted = line(FPS, (135, 90), (0, 0), 72, 40)
    lie = seen_by([(head, shifted)], noise=0.0)
    truth = seen_by([(head, poses)], noise=0.0)
    out = run(frames, lambda i: truth(i) if i < 20 else lie(i))
    assert out[19][0].segment == 0
    assert out[-1][0].track_id == 1
    assert out[-1][0].segment >= 1


def test_a_new_epoch_breaks_the_segment_but_keeps_the_person(alone):
    actor, frames = alone
    out = run(frames, seen_by([actor]), epochs=[0] * 30 + [1] * 30)
    assert out[29][0].segment == 0
    assert (out[-1][0].track_id, out[-1][0].segment) == (1, 1)


def test_a_frame_of_another_size_is_survived(alone):
    (head, poses), frames = alone
    small = [f[::2, ::2] for f in frames[30:]]
    half = [Similarity(p.a / 2, p.b / 2, p.tx / 2, p.ty / 2) for p in poses]
    truth = [*poses[:30], *half[30:]]
    out = run([*frames[:30], *small], seen_by([(head, truth)]))
    assert (out[-1][0].track_id, out[-1][0].segment) == (1, 1)
    assert out[-1][0].pose.scale == pytest.approx(half[-1].scale, rel=0.1)


def test_a_face_may_leave_over_the_edge():
    head = cast_head(SIZE)
    poses = line(FPS, (260, 90), (60, 0), 72, 60)
    out = run(film([(head, poses)], 60), seen_by([(head, poses)], hidden=lambda i, _: i > 22))
    assert out[15]
    assert not out[-1]


def test_no_more_than_the_allowed_number_of_faces():
    heads_ = [cast_head(SIZE, k) for k in range(3)]
    actors = [(h, line(FPS, (60 + 100 * k, 90), (0, 0), 56, 15)) for k, h in enumerate(heads_)]
    out = run(film(actors, 15), seen_by(actors), FaceTracker(TrackerSettings(max_faces=2)))
    assert len(out[-1]) == 2
    assert len(run(film(actors, 15), seen_by(actors))[-1]) == 3


def test_same_input_same_output(alone):
    actor, frames = alone
    one, two = (run(frames[:30], seen_by([actor])) for _ in range(2))
    assert one == two


def broken(points):
    return Detection(Box(0, 0, 10, 10), 0.9, np.asarray(points, np.float64))


@pytest.mark.parametrize(
    "points", [np.zeros((6, 2)), np.full((6, 2), np.nan), np.full((6, 2), 1e9), np.eye(6, 2) * 1e-3]
)
def test_nonsense_detections_are_survived(alone, points):
    _, frames = alone
    out = run(frames[:8], lambda _i: [broken(points)])
    assert len(out) == 8


@given(
    st.lists(st.tuples(st.integers(-200, 600), st.integers(-200, 400), st.integers(4, 400)), max_size=4),
    st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_detections_anywhere_never_break_the_tracker(places, seed):
    rng = np.random.default_rng(seed)
    tracker = FaceTracker()
    for i in range(6):
        rgb = rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)
        poses = [line(1.0, (x, y), (3, 1), px, 1)[0] for x, y, px in places]
        shown = tracker.update(
            frame_of(i // 2, rgb), [heads.detection(p, rng=rng) for p in poses] if i % 2 else None
        )
        assert len({t.track_id for t in shown}) == len(shown)
        assert all(0 <= t.quality <= 1 and t.face_px > 0 for t in shown)
