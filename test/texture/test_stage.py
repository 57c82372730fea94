"""The atlas takes up the skin that cameras see, and nothing else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from realhands_ros.data.hands import HandView, MeshFlag
from realhands_ros.errors import ConfigError, ProfileError
from realhands_ros.geometry.crop import crop_image
from realhands_ros.texture.atlas import AveragingConfig
from realhands_ros.texture.stage import TextureStage, TextureStageConfig

SMALL = TextureStageConfig(atlas_size=256)


def seen_error(texture, skin):
    """Return how far seen texels are from the painted skin, after taking out the brightness."""
    size = len(texture.colours)
    true = skin[:: len(skin) // size, :: len(skin) // size].astype(float)
    seen = texture.coverage_map > 20
    ratio = texture.colours[seen] / true[seen]
    return np.abs(ratio / np.median(ratio, axis=0) - 1.0)


def rendered_error(studio, mesh, texture, eye=0):
    """Return differences between crop and re-rendering, two pixels and more inside the mask."""
    view = mesh.views[eye]
    camera = studio.cameras[eye].cropped(view.crop_affine, 224, 224)
    drawn = studio.renderer.render(
        mesh.vertices_cam, mesh.handedness, texture.atlas, camera, texture.shading[eye]
    )
    inner = drawn.mask.copy()
    for axis in (0, 1):
        for shift in (-3, 3):
            inner &= np.roll(drawn.mask, shift, axis)
    return np.abs(drawn.colours - view.crop[..., ::-1])[inner]


@pytest.mark.parametrize('side', ['right', 'left'])
def test_one_look_gives_the_painted_skin(studio, side) -> None:
    mesh = studio.hand(side)
    texture = TextureStage()([mesh], studio.cameras)[0]
    assert texture.updated, texture.note
    assert 0.25 < texture.coverage < 0.6
    assert np.percentile(seen_error(texture, studio.skin), 95) < 0.08
    assert rendered_error(studio, mesh, texture).mean() < 3.0


def test_only_the_side_that_faces_a_camera_is_seen(studio) -> None:
    stage = TextureStage(SMALL)
    back = stage([studio.hand()], studio.cameras)[0].coverage_map > 0
    stage.reset()
    palm = stage([studio.hand(shown='palm')], studio.cameras)[0].coverage_map > 0
    assert (back & palm).sum() < 0.12 * min(back.sum(), palm.sum())


def test_no_background_on_the_rim(studio) -> None:
    stage = TextureStage()
    for turn in np.linspace(-0.4, 0.4, 5):
        mesh = studio.hand()
        pose = mesh.pose_aa.copy()
        pose[:3] += (turn, 0.0, turn)
        texture = stage([studio.hand(pose=pose)], studio.cameras)[0]
    seen = texture.coverage_map > 0
    # The background is magenta: much less green than blue and red; the skin never is.
    magenta = texture.colours[..., 2].astype(int) - texture.colours[..., 1]
    assert magenta[seen].max() < 15


def test_a_hand_in_front_is_not_painted_on_the_one_behind(studio) -> None:
    behind = studio.hand('right', name='behind')
    red = np.full_like(studio.skin, (250, 20, 20))
    front = studio.hand('left', place=(0.0, 0.0, 0.33), skin=red, name='front')
    views = []
    for camera, view, other in zip(studio.cameras, behind.views, front.views, strict=True):
        crop_camera = camera.cropped(view.crop_affine, 224, 224)
        drawn = studio.renderer.render(front.vertices_cam, 'left', red, crop_camera)
        crop = np.where(drawn.mask[..., None], (20, 20, 250), view.crop).astype(np.uint8)
        views.append(replace(view, crop=crop))
        assert other.crop is not None
    behind = replace(behind, views=tuple(views))
    texture = TextureStage(SMALL)([behind, front], studio.cameras)[0]
    seen = texture.coverage_map > 0
    assert seen.any()
    assert texture.colours[seen][:, 1].min() > 90


def test_a_wrong_frame_hardly_changes_the_atlas_and_a_lasting_change_does(studio) -> None:
    stage, mesh = TextureStage(SMALL), studio.hand()
    for _ in range(6):
        before = stage([mesh], studio.cameras)[0]
    spot = replace(
        mesh,
        views=tuple(replace(view, crop=with_patch(view.crop)) for view in mesh.views),
    )
    once = stage([spot], studio.cameras)[0]
    change = np.abs(once.colours.astype(int) - before.colours).max(axis=2)
    assert change.max() < 25
    for _ in range(25):
        after = stage([spot], studio.cameras)[0]
    change = np.abs(after.colours.astype(int) - before.colours).max(axis=2)
    assert (change > 60).sum() > 200


def with_patch(crop):
    patched = crop.copy()
    patched[95:130, 95:130] = (30, 200, 30)
    return patched


def test_a_brighter_camera_does_not_change_the_colours(studio) -> None:
    even = TextureStage(SMALL)([studio.hand()], studio.cameras)[0]
    uneven = TextureStage(SMALL)([studio.hand(gains=(1.0, 1.2))], studio.cameras)[0]
    both = (even.coverage_map > 20) & (uneven.coverage_map > 20)
    difference = np.abs(even.colours[both].astype(int) - uneven.colours[both])
    assert np.percentile(difference, 95) < 8


def test_changing_exposure_does_not_change_the_colours(studio) -> None:
    stage = TextureStage(SMALL)
    first = stage([studio.hand()], studio.cameras)[0]
    for gain in (0.8, 1.2, 0.7, 1.1, 0.75):
        last = stage([studio.hand(gains=(gain, gain))], studio.cameras)[0]
    seen = first.coverage_map > 20
    difference = np.abs(first.colours[seen].astype(int) - last.colours[seen])
    assert np.percentile(difference, 95) < 8


def test_a_new_id_goes_on_and_reset_forgets(studio) -> None:
    stage = TextureStage(SMALL)
    first = stage([studio.hand(name='one')], studio.cameras)[0]
    masked = without_mask(studio.hand(name='two'))
    second = stage([masked], studio.cameras)[0]
    assert second.id == 'two'
    assert not second.updated
    np.testing.assert_array_equal(first.colours, second.colours)
    stage.reset('left')
    assert stage([masked], studio.cameras)[0].coverage > 0
    stage.reset()
    assert stage([masked], studio.cameras)[0].coverage == 0
    assert stage.shapes['right'].estimate.frames == 0


def without_mask(mesh):
    """Return the mesh with views whose silhouettes show no hand."""
    views = tuple(replace(v, silhouette=np.zeros_like(v.silhouette)) for v in mesh.views)
    return replace(mesh, views=views)


def test_of_two_right_hands_the_known_one_goes_on(studio) -> None:
    stage = TextureStage(SMALL)
    one = studio.hand(name='one', place=(-0.1, 0.0, 0.4))
    two = replace(studio.hand(name='two', place=(0.12, 0.0, 0.45)), score=1.0)
    stage([one], studio.cameras)
    textures = stage([two, replace(one, score=0.5)], studio.cameras)
    assert [texture.updated for texture in textures] == [False, True]
    assert 'another right hand' in textures[0].note


def test_what_lies_beyond_the_image_is_left_out(studio) -> None:
    # The fingertips are above the image, where the crops are black; no mask tells.
    mesh = studio.hand(place=(0.0, -0.12, 0.4))
    views = []
    for camera, view in zip(studio.cameras, mesh.views, strict=True):
        whole = cv2.warpAffine(
            view.crop, view.crop_affine, (camera.width, camera.height), flags=cv2.WARP_INVERSE_MAP
        )
        crop = crop_image(whole, view.crop_affine, 224)
        views.append(replace(view, crop=crop, silhouette=None))
    assert min(view.crop[:40].max() for view in views) == 0
    texture = TextureStage(SMALL)([replace(mesh, views=tuple(views))], studio.cameras)[0]
    seen = texture.coverage_map > 0
    assert 0.1 < texture.coverage < 0.4
    assert texture.colours[seen].min() > 60


def with_degenerate_affine(mesh):
    return replace(mesh, views=tuple(replace(v, crop_affine=np.zeros((2, 3))) for v in mesh.views))


def test_plain_smoothing_is_the_papers(studio) -> None:
    averaging = AveragingConfig('exponential', exponential_rate=0.25)
    stage = TextureStage(TextureStageConfig(atlas_size=256, averaging=averaging))
    mesh = studio.hand()
    flat = [
        replace(mesh, views=tuple(replace(v, crop=np.full_like(v.crop, c)) for v in mesh.views))
        for c in (100, 200)
    ]
    first = stage([flat[0]], studio.cameras)[0]
    second = stage([flat[1]], studio.cameras)[0]
    seen = first.coverage_map > 0
    assert (first.colours[seen] == 100).all()
    assert (second.colours[seen] == 125).all()


def outside(mesh):
    return replace(mesh, vertices_cam=mesh.vertices_cam + np.float32([2.0, 0.0, 0.0]))


def behind_camera(mesh):
    return replace(mesh, vertices_cam=mesh.vertices_cam - np.float32([0.0, 0.0, 1.0]))


def with_nan(mesh):
    vertices = mesh.vertices_cam.copy()
    vertices[3, 1] = np.nan
    return replace(mesh, vertices_cam=vertices)


def too_few_vertices(mesh):
    return replace(mesh, vertices_cam=mesh.vertices_cam[:100])


def without_crops(mesh):
    return replace(
        mesh, views=tuple(HandView(v.keypoints_px, v.keypoint_scores) for v in mesh.views)
    )


def without_views(mesh):
    return replace(mesh, views=())


def with_other_mask_size(mesh):
    return replace(
        mesh, views=tuple(replace(v, silhouette=v.silhouette[::2, ::2]) for v in mesh.views)
    )


def doubtful(mesh):
    return replace(mesh, flags=MeshFlag.LOW_CONFIDENCE)


def of_another_model(mesh):
    return replace(mesh, topology_key='0123456789abcdef')


@pytest.mark.parametrize(
    'spoil',
    [
        outside, behind_camera, with_nan, too_few_vertices, without_mask, without_crops,
        without_views, with_other_mask_size, doubtful, of_another_model, with_degenerate_affine,
    ],
)  # fmt: skip
def test_unusable_frames_leave_the_atlas_alone_and_say_why(studio, spoil) -> None:
    stage, mesh = TextureStage(SMALL), studio.hand()
    good = stage([mesh], studio.cameras)[0]
    texture = stage([spoil(mesh)], studio.cameras)[0]
    assert not texture.updated
    assert texture.note
    np.testing.assert_array_equal(good.colours, texture.colours)
    assert stage([mesh], studio.cameras)[0].updated


def test_one_view_is_enough(studio) -> None:
    mesh = studio.hand()
    left = replace(mesh, views=mesh.views[:1])
    assert TextureStage(SMALL)([left], studio.cameras)[0].updated
    second = replace(mesh, views=(HandView(np.full((21, 2), np.nan), np.zeros(21)), mesh.views[1]))
    assert TextureStage(SMALL)([second], studio.cameras)[0].updated


def test_crops_may_differ_in_layout_and_size(studio) -> None:
    mesh = studio.hand()
    plain = TextureStage(SMALL)([mesh], studio.cameras)[0]
    left, right = mesh.views
    left = replace(left, crop=np.asfortranarray(left.crop))
    right = replace(
        right,
        crop=np.ascontiguousarray(right.crop[:200, :210]),
        silhouette=right.silhouette[:200, :210],
    )
    right.crop.flags.writeable = False
    other = TextureStage(SMALL)([replace(mesh, views=(left, right))], studio.cameras)[0]
    both = (plain.coverage_map > 20) & (other.coverage_map > 20)
    assert both.sum() > 0.8 * (plain.coverage_map > 20).sum()
    difference = np.abs(plain.colours[both].astype(int) - other.colours[both])
    assert np.percentile(difference, 95) < 8


def test_the_atlas_does_not_depend_on_which_thread_is_first(studio) -> None:
    meshes = [studio.hand(place=(0.0, 0.0, depth)) for depth in (0.45, 0.4, 0.35)]
    runs = []
    for _ in range(3):
        stage = TextureStage(SMALL)
        runs.append([stage([mesh], studio.cameras)[0] for mesh in meshes])
    for run in runs[1:]:
        for texture, first in zip(run, runs[0], strict=True):
            np.testing.assert_array_equal(texture.colours, first.colours)
            np.testing.assert_array_equal(texture.coverage_map, first.coverage_map)


def test_textures_of_earlier_frames_stay_as_they_were(studio) -> None:
    stage = TextureStage(SMALL)
    first = stage([studio.hand()], studio.cameras)[0]
    colours, coverage_map = first.colours.copy(), first.coverage_map.copy()
    profile = stage.profile()
    stage.load(profile)
    stage([studio.hand(shown='palm')], studio.cameras)
    np.testing.assert_array_equal(first.colours, colours)
    np.testing.assert_array_equal(first.coverage_map, coverage_map)
    np.testing.assert_array_equal(profile.hands['right'].colours, colours)


def test_a_frame_without_hands_gives_nothing(studio) -> None:
    assert TextureStage(SMALL)([], studio.cameras) == ()


def test_a_profile_is_taken_up(studio) -> None:
    stage = TextureStage(SMALL)
    for _ in range(4):
        first = stage([studio.hand()], studio.cameras)[0]
    profile = stage.profile()
    assert list(profile.hands) == ['right']
    other = TextureStage(SMALL)
    other.load(profile)
    again = other([without_mask(studio.hand())], studio.cameras)[0]
    np.testing.assert_array_equal(first.colours, again.colours)
    assert again.coverage == first.coverage
    assert other.shapes['right'].estimate.frames == 4


def test_a_profile_of_another_model_or_size_is_refused(studio) -> None:
    stage = TextureStage(SMALL)
    stage([studio.hand()], studio.cameras)
    profile = stage.profile()
    with pytest.raises(ProfileError, match='belongs to the hand model'):
        stage.load(replace(profile, topology='0123456789abcdef'))
    with pytest.raises(ProfileError, match='set atlas_size'):
        TextureStage().load(profile)
    assert stage.profile().hands['right'].coverage > 0


@pytest.mark.parametrize(
    ('settings', 'name'),
    [({'atlas_size': 16}, 'atlas_size'), ({'calibration_frames': 0}, 'calibration_frames')],
)
def test_settings_out_of_range_are_refused(settings, name) -> None:
    with pytest.raises(ConfigError, match=name):
        TextureStageConfig(**settings)


@pytest.mark.parametrize(
    ('settings', 'name'),
    [
        ({'smoothing': 'mean'}, 'smoothing'),
        ({'exponential_rate': 0.0}, 'exponential_rate'),
        ({'outlier_step': float('nan')}, 'outlier_step'),
        ({'most_confidence': -1.0}, 'most_confidence'),
    ],
)
def test_averaging_out_of_range_is_refused(settings, name) -> None:
    with pytest.raises(ConfigError, match=name):
        AveragingConfig(**settings)
