"""Turns a decoded picture into upright RGB, in the colours and the way round its maker meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from stream_mer.capture.notes import Notes
from stream_mer.capture.orientation import UPRIGHT, Orientation, orientation, upright
from stream_mer.errors import SourceDamaged
from stream_mer.types import ImageU8

# PyAV's stubs know the container, but not that it is made from a picture.
_side_data = cast(Callable[[VideoFrame], Mapping[SideDataType, bytes]], SideDataContainer)
_UNSPECIFIED_MATRIX = 2  # AVCOL_SPC_UNSPECIFIED
_SD_HEIGHT = 576


class PictureReader:
    """Converts the pictures of one source.

    Args:
        name: Of the source, for messages; credentials hidden.
        notes: Told of rotations that are no quarter turn, and of changes of size.
    """

    def __init__(self, name: str, notes: Notes) -> None:
        self._name, self._notes = name, notes
        self._reformatter = VideoReformatter()

    def read(self, picture: VideoFrame, pts_ns: int) -> ImageU8:
        """``(H, W, 3)`` uint8 RGB, upright, owned by the caller.

        Args:
            picture: As decoded.
            pts_ns: Its time, for the notes.

        Raises:
            SourceDamaged: Its format cannot be converted.
        """
        rgb = upright(self._to_rgb(picture), self._orientation(picture, pts_ns))
        self._notes.size(rgb.shape[1], rgb.shape[0], pts_ns)
        return rgb

    def _to_rgb(self, picture: VideoFrame) -> ImageU8:
        # Streams that do not name their colour matrix: BT.601 up to 576 lines, BT.709 above, as players
        # do. swscale alone would take BT.601 for both. Its one-thread fast path is biased by about -1
        # of 255 against the formula, constantly, and ten times as fast as its exact one.
        guess = picture.colorspace == _UNSPECIFIED_MATRIX and picture.height > _SD_HEIGHT
        try:
            rgb24 = self._reformatter.reformat(
                picture, format="rgb24", src_colorspace=Colorspace.ITU709 if guess else None, threads=1
            )
        except FFmpegError as error:
            raise SourceDamaged(
                f"{self._name!r}: pictures in the format {picture.format.name} do not convert to RGB "
                f"({error.strerror})\nconvert the video to yuv420p first"
            ) from None
        array = np.ascontiguousarray(rgb24.to_ndarray())
        return array.astype(np.uint8, copy=False)

    def _orientation(self, picture: VideoFrame, pts_ns: int) -> Orientation:
        try:
            # `picture.side_data` keeps the container in the picture, whose owner it is: a ring that holds
            # decoded pictures, by the hundred, until Python looks for rings.
            matrix = _side_data(picture)[SideDataType.DISPLAYMATRIX]
        except KeyError:
            return UPRIGHT
        except ValueError:  # PyAV does not know the type of some other side data
            return Orientation(round(picture.rotation / 90) % 4)
        how = orientation([int(value) for value in np.frombuffer(matrix, dtype=np.int32)])
        if how is None:
            self._notes.add("slanted", pts_ns)
        return how or UPRIGHT
