"""What a source's frames can show of the events asked for, in numbers and as a sentence."""

from __future__ import annotations

from stream_mer.config import Settings
from stream_mer.core.tally import Tally
from stream_mer.core.windowing import FRAMES_PER_EVENT, LOOK_AHEAD_NS, duration_ladder, observable_rungs

REPORT_S = 0.15
"""An event is reported so long after its offset and the look-ahead (tests/core/test_decision.py)."""
UNEVEN_FRAMES, UNEVEN_SHARE = 20, 0.05
"""From so many frames on, gaps after this share of them make a source too uneven to be judged by its
usual frame rate."""
REPEATED_SHARE = 0.1
"""From this share of repeated pictures on, a source is judged by its new ones."""
NOTHING = "nothing was classified"
"""Part of the verdict on a frame rate at which no event that is asked for shows in three frames."""


def observed(tally: Tally, settings: Settings) -> dict[str, float | str | None]:
    """What a source whose frames were counted shows: by its rate, its gaps and its new pictures."""
    seen = observe(tally.fps, settings)
    if not tally.fps:
        return seen
    told = uneven(seen, tally)
    return repeating(seen, tally, settings) if told == seen else told


def repeating(
    observability: dict[str, float | str | None], tally: Tally, settings: Settings
) -> dict[str, float | str | None]:
    """The verdict by new pictures a second, where many frames show the face as the frame before did."""
    share = tally.repeats / max(1, tally.compared)
    shortest = FRAMES_PER_EVENT / (tally.fps * (1.0 - share)) if share < 1 else float("inf")
    if (
        tally.compared < UNEVEN_FRAMES
        or share < REPEATED_SHARE
        or NOTHING in str(observability["verdict"])
        or round(shortest, 3) <= settings.min_duration_s
    ):
        return observability
    pictures = f"{share:.0%} of {tally.fps:.3g} frames a second only repeat the face's last picture"
    if round(shortest, 3) > settings.max_duration_s:
        verdict = (
            f"{pictures}: too few new ones for events of {settings.max_duration_s:g} s; many will be missed"
        )
        seen = None if share == 1 else round(shortest, 4)
        return {**observability, "shortest_event_s": seen, "verdict": verdict}
    verdict = f"{pictures}; events of {shortest:.3f} s and longer show, shorter ones may be missed"
    return {**observability, "shortest_event_s": round(shortest, 4), "verdict": verdict}


def uneven(observability: dict[str, float | str | None], tally: Tally) -> dict[str, float | str | None]:
    """The verdict, unless frames came so unevenly that their usual rate does not tell what was classified."""
    verdict, classified = str(observability["verdict"]), f"{tally.coverage:.0%} of the time was classified"
    if NOTHING in verdict and tally.coverage:
        verdict = verdict.replace(NOTHING, f"{classified}, when frames came faster")
    elif NOTHING not in verdict and UNEVEN_FRAMES <= tally.frames <= tally.gaps / UNEVEN_SHARE:
        verdict = f"the frames come too unevenly (gaps: {tally.gaps}, frames: {tally.frames}); {classified}"
    return {**observability, "verdict": verdict}


def observe(fps: float, settings: Settings) -> dict[str, float | str | None]:
    """What a source of this frame rate can show of the events asked for, and how late it is said.

    ``look_ahead_s`` is what must be seen after an event's offset; it is reported ``REPORT_S`` after that at
    the latest, plus the frame that has to be waited for.
    """
    look_ahead = LOOK_AHEAD_NS / 1e9
    if fps <= 0:
        return {"shortest_event_s": None, "verdict": "too few frames to tell", "look_ahead_s": look_ahead}
    ladder = duration_ladder(settings.min_duration_s, settings.max_duration_s)
    rungs = observable_rungs(ladder, 1e9 / fps, settings.max_duration_s * 1e9)
    shortest = FRAMES_PER_EVENT / fps
    if not rungs:
        verdict = (
            f"{fps:.3g} fps cannot show events of {settings.max_duration_s:g} s or less "
            f"(shortest: {shortest:.2f} s); {NOTHING}. Use a faster camera or --max-duration."
        )
    elif len(rungs) < len(ladder) or round(shortest, 3) > settings.min_duration_s:
        shortest = min(shortest, settings.max_duration_s)  # a camera's 14.9 fps are 15 to the windows, too
        verdict = f"{fps:.3g} fps shows events of {shortest:.3f} s and longer; shorter ones may be missed"
    else:
        verdict = "ok"
    return {
        "shortest_event_s": round(shortest, 4),
        "verdict": verdict,
        "look_ahead_s": look_ahead,
        "reported_within_s": round(look_ahead + REPORT_S + 1 / fps, 3),
    }
