"""What a clip says about itself is what its pixels do."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_mer.core.geometry import ANCHORS
from stream_mer.synth.clip import Clip, iterate_clip, render_clip, truth_of
from stream_mer.synth.demo import DEMO_SPEC, demo_clip, demo_portrait
from stream_mer.synth.dense import noisy_u8
from stream_mer.synth.landmarks import NOSE_TIP, eye_centres, pose_keypoints
from stream_mer.synth.plan import plan_clip
from stream_mer.synth.render import LARGEST_PX, MARGIN, Renderer
from stream_mer.synth.schedule import BLOCKING
from stream_mer.synth.spec import NO_DISTRACTORS, ClipSpec, DistractorRates, DistractorSpec, EventSpec
from stream_mer.types import LABELS, ImageU8

PORTRAIT, MESH = demo_portrait()
_NOISE = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 1, (256, 256, 1)), (0, 0), 1.6)[:, :, None]
TEXTURE = np.repeat((128 + 110 * np.tanh(_NOISE / _NOISE.std())).astype(np.uint8), 3, 2)
"""A 'portrait' that has structure everywhere, so that flow can be measured everywhere."""
QUIET = ClipSpec(
    duration_s=0.5,
    fps=100,
    width=256,
    height=256,
    face_px=150,
    events=(),
    distractors=(),
    head_speed=0.0,
    shot_noise=0.0,
    read_noise=0.0,
    flicker=0.0,
    gain_drift=0.0,
)


def quiet_clip(*events: EventSpec, **changes: object) -> Clip:
    return render_clip(PORTRAIT, MESH, dataclasses.replace(QUIET, events=events, **changes), 4)  # type: ignore[arg-type]


def flow(before: ImageU8, after: ImageU8) -> np.ndarray:
    grey = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (before, after)]
    return cv2.calcOpticalFlowFarneback(grey[0], grey[1], None, 0.5, 3, 11, 10, 5, 1.1, 0)


def test_same_seed_same_bytes_other_seed_other_bytes() -> None:
    spec = ClipSpec(duration_s=0.4, fps=50, width=160, height=160, face_px=80, repeat_rate=0.1)
    one, two, other = (render_clip(PORTRAIT, MESH, spec, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.frames, two.frames)
    np.testing.assert_array_equal(one.meshes, two.meshes)
    assert one.events == two.events
    assert one.poses == two.poses
    assert (one.frames != other.frames).any()


def test_iterating_gives_the_same_frames() -> None:
    spec = ClipSpec(duration_s=0.3, fps=50, width=160, height=160, face_px=80)
    clip = render_clip(PORTRAIT, MESH, spec, 7)
    plan, frames = iterate_clip(PORTRAIT, MESH, spec, 7)
    assert plan.events == clip.events
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.rgb, clip.frames[number])
        assert frame.pts_ns == clip.pts_ns[number]


def test_truth_survives_json() -> None:
    plan = plan_clip(ClipSpec(duration_s=20, event_rate=30, repeat_rate=0.05), 3)
    read = json.loads(json.dumps(truth_of(plan)))
    assert [e["onset_ns"] for e in read["events"]] == [e.onset_ns for e in plan.events]
    assert read["events"][0]["action_units"] == list(plan.events[0].action_units)
    assert read["pts_ns"] == plan.pts_ns.tolist()
    assert read["repeated"] == [i for i, r in enumerate(plan.repeats) if r]


def test_versions_share_nothing_but_the_tables() -> None:
    spec = ClipSpec(duration_s=20, event_rate=30)
    train, test = (plan_clip(dataclasses.replace(spec, version=v), 3) for v in ("train", "test"))
    assert {e.onset_ns for e in train.events}.isdisjoint({e.onset_ns for e in test.events})
    assert np.abs(train.head.yaw - test.head.yaw).max() > 0


def test_only_the_frames_of_the_event_differ() -> None:
    clip = quiet_clip(EventSpec(0.1, 0.15, "surprise", ("1", "2"), 0.02))
    (event,) = clip.events
    assert (event.onset_ns, event.offset_ns) == (100_000_000, 250_000_000)
    inside = (clip.pts_ns > event.onset_ns) & (clip.pts_ns < event.offset_ns)
    changed = np.array([(f != clip.frames[0]).any() for f in clip.frames])
    np.testing.assert_array_equal(changed, inside)


@pytest.mark.parametrize(
    ("label", "units", "near"),
    [
        ("surprise", ("1", "2"), (105, 334)),
        ("happiness", ("L12",), (291,)),
        ("happiness", ("R12",), (61,)),
        ("repression", ("15",), (61, 291)),
        ("others", ("4",), (107, 336)),
        ("repression", ("17",), (199,)),
    ],
)
@pytest.mark.parametrize("version", ["train", "test"])
def test_measured_flow_peaks_where_and_as_strongly_as_specified(
    label: str, units: tuple[str, ...], near: tuple[int, ...], version: str
) -> None:
    peak = 0.02
    spec = dataclasses.replace(
        QUIET,
        events=(EventSpec(0.1, 0.2, label, units, peak, 0.5),),
        version=version,  # type: ignore[arg-type]
    )
    clip = render_clip(TEXTURE, MESH, spec, 4)
    apex = int(np.argmin(np.abs(clip.pts_ns - clip.events[0].apex_ns)))
    assert clip.pts_ns[apex] == clip.events[0].apex_ns
    measured = flow(clip.frames[0], clip.frames[apex])
    true = (clip.meshes[apex] - clip.meshes[0]).astype(float)
    columns, rows = clip.meshes[0].astype(int).T
    at_points = measured[rows, columns]
    assert (at_points * true).sum() / (true**2).sum() == pytest.approx(1.0, abs=0.15)
    assert np.corrcoef(at_points.ravel(), true.ravel())[0, 1] > 0.95
    size = np.hypot(measured[..., 0], measured[..., 1])
    assert size.max() == pytest.approx(peak * QUIET.face_px, rel=0.3)  # flow smooths narrow peaks away
    y, x = np.unravel_index(int(size.argmax()), size.shape)
    gap = np.hypot(*(clip.meshes[0][list(near)] - [x, y]).T).min()
    assert gap < 0.15 * QUIET.face_px


def test_mesh_says_exactly_how_far_the_skin_moves() -> None:
    clip = quiet_clip(EventSpec(0.1, 0.2, "surprise", ("1", "2"), 0.02, 0.5))
    moved = np.hypot(*(clip.meshes[20] - clip.meshes[0]).astype(float).T)
    assert 0.8 * 0.02 * QUIET.face_px < moved.max() <= 1.001 * 0.02 * QUIET.face_px


def dotted(points: np.ndarray) -> ImageU8:
    """A grey portrait with a bright blob on each of the points."""
    y, x = np.mgrid[:256, :256] + 0.5
    blobs = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 2.0**2)) for px, py in points)
    return np.repeat((60 + 150 * np.clip(blobs, 0, 1))[:, :, None], 3, 2).astype(np.uint8)


@pytest.mark.parametrize("face_px", [60.0, 150.0])
def test_pixels_lie_where_the_mesh_says_under_every_head_motion(face_px: float) -> None:
    marks = [151, 50, 280, 199]  # forehead, cheeks, chin: far apart and on smooth ground
    portrait = dotted(MESH[marks, :2])
    spec = dataclasses.replace(QUIET, duration_s=2.0, fps=10, face_px=face_px, head_speed=0.3)
    clip = render_clip(portrait, MESH, spec, 11)
    assert np.ptp(clip.meshes[:, NOSE_TIP], axis=0).max() > 0.1 * face_px  # the head does move
    radius = 0.09 * face_px
    for frame, mesh in zip(clip.frames, clip.meshes, strict=True):
        y, x = np.mgrid[:256, :256] + 0.5
        for px, py in mesh[marks]:
            near = np.hypot(x - px, y - py) < radius
            weight = np.where(near, frame[:, :, 0].astype(float) - 60.0, 0.0).clip(0)
            centre = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
            assert np.hypot(*(centre - [px, py])) < 0.15


def test_pose_follows_the_rigid_head_and_ignores_expressions() -> None:
    spec = dataclasses.replace(QUIET, head_speed=0.2)
    still = render_clip(PORTRAIT, MESH, spec, 4)
    smile = dataclasses.replace(spec, events=(EventSpec(0.1, 0.2, "happiness", ("12",), 0.03),))
    smiling = render_clip(PORTRAIT, MESH, smile, 4)
    assert still.poses == smiling.poses
    for pose, mesh in zip(still.poses, still.meshes, strict=True):
        gap = pose.apply(ANCHORS) - pose_keypoints(mesh.astype(float))[:4]
        assert np.hypot(*gap.T).max() < 0.12 * QUIET.face_px
    right, left = eye_centres(MESH)
    assert 92 * still.poses[0].scale == pytest.approx(QUIET.face_px, rel=0.1)
    assert np.hypot(*(left - right)) > 10


def test_blink_closes_only_the_eyes_and_opens_them_again() -> None:
    clip = quiet_clip(distractors=(DistractorSpec("blink", 0.1, 0.2, 1.0),))
    shut = np.abs(clip.frames[18].astype(int) - clip.frames[0]).max(2)
    right, left = eye_centres(clip.meshes[0].astype(float))
    y, x = np.mgrid[:256, :256]
    near = np.minimum(np.hypot(x - right[0], y - right[1]), np.hypot(x - left[0], y - left[1]))
    assert shut[near < 0.03 * 150].mean() > 15
    assert shut[near > 0.2 * 150].max() == 0
    np.testing.assert_array_equal(clip.frames[-1], clip.frames[0])


@pytest.mark.parametrize("kind", ["gaze", "speech", "swallow", "macro", "light"])
def test_distractor_shows_during_its_time_and_only_then(kind: str) -> None:
    units = ("6", "12") if kind == "macro" else ()
    size = {"gaze": 0.2, "speech": 0.04, "swallow": 0.012, "macro": 0.04, "light": 0.05}[kind]
    clip = quiet_clip(duration_s=1.2, fps=50, distractors=(DistractorSpec(kind, 0.2, 0.7, size, units),))
    (one,) = clip.distractors
    assert (one.kind, one.onset_ns, one.offset_ns) == (kind, 200_000_000, 900_000_000)
    changed = np.array([(f != clip.frames[0]).any() for f in clip.frames])
    inside = (clip.pts_ns > one.onset_ns) & (clip.pts_ns < one.offset_ns)
    assert not changed[~inside].any()
    assert changed[inside].mean() > 0.8
    assert clip.events == ()


def test_noise_has_the_variance_asked_for() -> None:
    spec = dataclasses.replace(QUIET, duration_s=0.4, shot_noise=0.03, read_noise=2.0)
    clip = render_clip(PORTRAIT, MESH, spec, 3).frames[:, :, :, 1].astype(float)
    mean, variance = clip.mean(0).ravel(), clip.var(0, ddof=1).ravel()
    for low, high in ((60, 120), (120, 200)):
        some = (mean > low) & (mean < high)
        expected = 4.0 + 0.03 * mean[some].mean() + 1 / 12
        assert variance[some].mean() == pytest.approx(expected, rel=0.1)


def test_dropped_frames_are_gaps_and_repeats_are_copies() -> None:
    spec = ClipSpec(duration_s=4, fps=50, width=96, height=96, face_px=40, drop_rate=0.1, repeat_rate=0.1)
    clip = render_clip(PORTRAIT, MESH, spec, 5)
    steps = np.diff(clip.pts_ns)
    assert 150 < len(clip.frames) < 195
    assert (steps >= 20_000_000).all()
    assert (steps > 20_000_000).any()
    same = np.array([(a == b).all() for a, b in zip(clip.frames, clip.frames[1:], strict=False)])
    assert 8 < same.sum() < 40
    np.testing.assert_array_equal(same, plan_clip(spec, 5).repeats[1:])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["train", "test"]))
def test_drawn_plan_keeps_its_promises(seed: int, version: str) -> None:
    spec = ClipSpec(duration_s=20, fps=25, event_rate=30, version=version)  # type: ignore[arg-type]
    plan = plan_clip(spec, seed)
    busy = [(d.onset_ns, d.offset_ns) for d in plan.distractors if d.kind in BLOCKING]
    for event in plan.events:
        assert 0 <= event.onset_ns < event.apex_ns < event.offset_ns <= 20_000_000_000
        assert 0.0399 < (event.offset_ns - event.onset_ns) / 1e9 < 0.2001
        assert 0.0015 <= event.peak <= 0.03
        assert event.label in LABELS
        assert all(event.offset_ns < a or event.onset_ns > b for a, b in busy)
    for one, two in zip(plan.events, plan.events[1:], strict=False):
        assert one.offset_ns < two.onset_ns
    kinds = {d.kind for d in plan.distractors}
    assert kinds <= set(dataclasses.asdict(DistractorRates()))


def test_heads_move_at_the_speed_asked_for() -> None:
    for version in ("train", "test"):
        speeds = []
        for seed in range(4):
            spec = dataclasses.replace(
                QUIET, width=96, height=96, face_px=60, duration_s=20, fps=6, head_speed=0.2, version=version
            )  # type: ignore[arg-type]
            renderer = Renderer(PORTRAIT, MESH, plan_clip(spec, seed))
            nose = []
            for number in range(len(renderer.plan.pts_ns)):
                affine, turned = renderer._affine(number), renderer._turned(number)
                nose.append(renderer._moved(affine, turned)[NOSE_TIP])
            travelled = np.hypot(*np.diff(np.array(nose), axis=0).T).sum() / 20 / (60 / 2.3)
            speeds.append(travelled)
        assert 0.13 < np.mean(speeds) < 0.3, version


def test_no_tearing_at_the_fastest_head_motion() -> None:
    """The look-up of the warp stays monotone, so that no pixel is drawn from behind another."""
    spec = dataclasses.replace(QUIET, duration_s=3, fps=10, head_speed=0.34)
    renderer = Renderer(PORTRAIT, MESH, plan_clip(spec, 9))
    for number in range(30):
        x, y = renderer._look_up(renderer._affine(number), renderer._turned(number))
        assert np.diff(x, axis=1).min() > 0.1
        assert np.diff(y, axis=0).min() > 0.1


def test_demo_clip_has_every_class_and_fits_its_frame() -> None:
    plan, frames = demo_clip()
    assert {e.label for e in plan.events} == set(LABELS)
    assert all(0.1 <= (e.offset_ns - e.onset_ns) / 1e9 <= 0.2 for e in plan.events)
    assert {d.kind for d in plan.distractors} >= {"blink", "macro"}
    first = next(frames)
    assert first.rgb.shape == (DEMO_SPEC.height, DEMO_SPEC.width, 3)
    assert (first.mesh > 20).all()
    assert (first.mesh < [620, 460]).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"fps": 1.0},
        {"face_px": 5.0},
        {"event_durations_s": (0.3, 0.1)},
        {"event_peaks": (0.0, 0.01)},
        {"labels": ("joy",)},
        {"version": "other"},
        {"drop_rate": 0.9},
        {"events": (EventSpec(9.9, 0.2, "others", ("4",)),)},
    ],
)
def test_impossible_specs_are_refused_with_the_value(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"got|ends after"):
        ClipSpec(**wrong)  # type: ignore[arg-type]


def test_portrait_and_mesh_are_checked() -> None:
    with pytest.raises(ValueError, match="lies outside"):
        render_clip(PORTRAIT, MESH + 900.0, QUIET, 0)
    with pytest.raises(ValueError, match="uint8"):
        render_clip(PORTRAIT.astype(np.float32), MESH, QUIET, 0)  # type: ignore[arg-type]
    assert plan_clip(dataclasses.replace(QUIET, distractors=None, rates=NO_DISTRACTORS), 0).distractors == ()


def test_a_very_large_face_takes_no_larger_texture_than_it_needs() -> None:
    """900 px of a portrait with a face of 98 px: the texture once had 7,000 px a side, which took minutes."""
    spec = dataclasses.replace(QUIET, width=1600, height=1600, face_px=900.0, duration_s=0.1, fps=10)
    renderer = Renderer(PORTRAIT, MESH, plan_clip(spec, 0))
    assert max(renderer.texture.pixels.shape[:2]) <= LARGEST_PX * (1 + 2 * MARGIN) + 2
    frame = renderer.frame(0)
    eyes = frame.mesh[[33, 133]].mean(0) - frame.mesh[[263, 362]].mean(0)
    assert 2.3 * float(np.hypot(*eyes)) == pytest.approx(900, rel=0.02)


def test_below_black_there_is_no_shot_noise_and_no_nonsense() -> None:
    """A sharp edge undershoots; the variance of its noise must not become negative."""
    dark = np.full((20, 8, 3), -9.0, np.float32)
    with np.errstate(all="raise"):
        made = noisy_u8(dark, np.ones_like(dark), 1.0, shot=0.06, read=0.3)
    assert (made == 0).all()
