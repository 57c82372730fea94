"""Pictures through the pipeline, drawn and kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.keypoints.frame import StereoFrame
from realhands_ros.pipeline import FrameResult, HandPipeline
from realhands_ros.viewing.mesh_files import MeshFolder
from realhands_ros.viewing.mesh_overlay import MeshOverlay, hand_label
from realhands_ros.viewing.picture_camera import PictureCamera
from realhands_ros.viewing.picture_output import PictureOutput
from realhands_ros.viewing.picture_source import Picture, PictureSource
from realhands_ros.viewing.window import Window

_FRAME_ID = 'camera'


@dataclass(frozen=True, eq=False)
class SeenPicture:
    """One picture, what was found in it, and the files that were written of it."""

    picture: Picture
    drawn: NDArray[np.uint8]
    result: FrameResult
    files: tuple[Path, ...]

    @property
    def line(self) -> str:
        """Return what was found in words, on one line."""
        total = sum(self.result.latency_ms.values())
        hands = [_described(mesh) for mesh in self.result.meshes] or ['no hand found']
        hands += [f'{hand.id[:6]} rejected: {hand.reason}' for hand in self.result.rejected]
        files = ', '.join(map(str, self.files))
        arrow = f' -> {files}' if files else ''
        return f'{self.picture.name}: {"; ".join(hands)} ({total:.0f} ms){arrow}'


@dataclass
class RunStatistics:
    """Frames, frames with hands, hands, and the time of each stage where there were hands."""

    frames: int = 0
    frames_with_hands: int = 0
    hands: int = 0
    latency_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, result: FrameResult) -> None:
        """Count one frame."""
        self.frames += 1
        self.hands += len(result.meshes)
        self.frames_with_hands += bool(result.meshes)
        # Without hands the later stages have nothing to do, which would hide what they take.
        for stage, value in result.latency_ms.items() if result.observations else ():
            self.latency_ms[stage].append(value)

    @property
    def text(self) -> str:
        """Return the summary of a run, two lines."""
        stages = ', '.join(
            f'{stage} {median(values):.1f}' for stage, values in self.latency_ms.items()
        )
        counts = (
            f'{self.frames} frames, {self.frames_with_hands} with hands, {self.hands} hands found'
        )
        return f'{counts}\nmedian ms per frame with hands: {stages}' if stages else counts


@dataclass
class PictureRun:
    """
    What happens to each picture.

    ``output``, ``meshes`` and ``window`` may be None; ``frames`` limits how many are taken.
    """

    source: PictureSource
    camera: PictureCamera
    pipeline: HandPipeline
    overlay: MeshOverlay
    output: PictureOutput | None = None
    meshes: MeshFolder | None = None
    window: Window | None = None
    frames: int | None = None
    statistics: RunStatistics = field(default_factory=RunStatistics)

    def __iter__(self) -> Iterator[SeenPicture]:
        """
        Work on the pictures one by one; ends early when somebody closes the window.

        Raises CalibrationError for pictures that are not the calibration's, ConfigError for files
        that cannot be written.
        """
        for number, picture in enumerate(islice(iter(self.source), self.frames)):
            seen = self._see(number, picture)
            yield seen
            if self.window is not None and not self.window.show(
                seen.drawn, wait=not self.source.is_film
            ):
                return

    def _see(self, number: int, picture: Picture) -> SeenPicture:
        image, camera = self.camera.see(picture.image)
        if not self.source.is_film and self.pipeline.texture is not None:
            # Another photograph may show another person.
            self.pipeline.texture.reset()
        result = self.pipeline(StereoFrame(picture.stamp_ns, _FRAME_ID, (image,), (camera,)))
        self.statistics.add(result)
        drawn = self.overlay.drawn(image, result, camera)
        files = [] if self.output is None else [self.output.write(picture, drawn)]
        if self.meshes is not None:
            name = f'frame_{number:06d}' if self.source.is_film else Path(picture.name).stem
            if not self.source.is_film:
                name = f'{number:03d}_{name}' if (self.source.expected or 0) > 1 else name
            saved = self.meshes.write(name, result.meshes)
            files += [] if saved is None else [saved]
        return SeenPicture(picture, drawn, result, tuple(files))


def _described(mesh: HandMesh) -> str:
    distance = float(mesh.keypoints_cam[0, 2])
    fit = '' if np.isnan(mesh.silhouette_iou) else f', silhouette IoU {mesh.silhouette_iou:.2f}'
    return f'{hand_label(mesh)} at {distance:.2f} m{fit}'
