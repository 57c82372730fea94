"""Identity over time: losses, crossings, returns, and doubtful second looks."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.keypoints.tracking import HandTracker
from realhands_ros.keypoints.two_view import match_views

FRAME_NS = 33_333_333


class Film:
    """Feeds a tracker with perfect detections of hands at given places."""

    def __init__(self, rig, hand_at, detection, **options) -> None:
        self.rig, self.hand_at, self.detection = rig, hand_at, detection
        self.tracker = HandTracker(**{'max_hands': 2, 'keep_lost_s': 2.0, **options})
        self.stamp_ns = 0

    def show(self, *hands, views=(0, 1), sure: float = 0.95) -> dict[str, str]:
        """Show hands (wrist, handedness); return the ids of the seen ones by handedness."""
        detections = [
            [
                self.detection(self.hand_at(wrist, side), camera, side, noise_px=0.7, sure=sure)
                for wrist, side in hands
                if number in views
            ]
            for number, camera in enumerate(self.rig.views)
        ]
        sightings = match_views(detections, self.rig.views).hands
        self.unclaimed = self.tracker.update(sightings, self.rig.views, self.stamp_ns)
        self.stamp_ns += FRAME_NS
        seen = [track for track in self.tracker.tracks if track.sighting is not None]
        return {track.handedness: track.id for track in seen}


@pytest.fixture
def film(rig, hand_at, detection):
    return Film(rig, hand_at, detection)


RIGHT, LEFT = ((0.12, 0.05, 0.45), 'right'), ((-0.12, 0.05, 0.45), 'left')


def test_a_moving_hand_keeps_its_id(film):
    """At one metre a second."""
    ids = {film.show(((0.15 - 0.033 * n, 0.05, 0.45), 'right'))['right'] for n in range(10)}
    assert len(ids) == 1
    assert len(film.tracker.tracks) == 1


def test_a_velocity_is_carried_on(film, rig, hand_at):
    for n in range(6):
        film.show(((0.1 - 0.02 * n, 0.05, 0.45), 'right'))
    expected = film.tracker.tracks[0].predicted_px(rig.left, film.stamp_ns)
    true = rig.left.project(hand_at((-0.02, 0.05, 0.45)))
    assert np.abs(expected - true).mean() < 4.0


@pytest.mark.parametrize('frames', [1, 5, 30])
def test_a_loss_is_survived(film, frames):
    before = film.show(RIGHT)
    for _ in range(frames):
        assert film.show() == {}
    assert film.show(RIGHT) == before


def test_a_hand_that_comes_back_elsewhere_is_the_same(film):
    before = film.show(RIGHT)
    for _ in range(20):
        film.show()
    assert film.show(((-0.1, 0.0, 0.5), 'right')) == before


def test_a_hand_lost_for_long_is_a_new_one(film):
    before = film.show(RIGHT)
    film.stamp_ns += 2_100_000_000
    after = film.show(RIGHT)
    assert after != before and len(film.tracker.tracks) == 1


def test_the_other_hand_does_not_take_over_a_lost_ones_id(film):
    before = film.show(RIGHT)
    for _ in range(20):
        film.show()
    assert film.show(((0.12, 0.05, 0.45), 'left'))['left'] != before['right']


@pytest.mark.parametrize('views', [(0, 1), (0,), (1,)])
def test_a_hand_that_looks_like_the_other_one_a_moment_later_is_the_same(
    film, rig, hand_at, detection, views
):
    for _ in range(5):
        before = film.show(RIGHT, views=(0,))
    for _ in range(8):
        film.show()
    hand = hand_at(*RIGHT)
    seen = [
        [detection(hand, camera, 'left', sure=0.99)] if view in views else []
        for view, camera in enumerate(rig.views)
    ]
    film.tracker.update(match_views(seen, rig.views).hands, rig.views, film.stamp_ns)
    (track,) = film.tracker.tracks
    assert {track.handedness: track.id} == before


def test_a_hand_that_jumps_from_one_frame_to_the_next_is_the_same(film):
    before = film.show(RIGHT)
    assert film.show(((-0.02, 0.05, 0.45), 'right')) == before
    assert len(film.tracker.tracks) == 1


def test_ids_are_never_used_again(film):
    seen = set()
    for _ in range(5):
        seen.add(film.show(RIGHT)['right'])
        film.stamp_ns += 3_000_000_000
    assert len(seen) == 5
    assert all(len(id_) == 16 for id_ in seen)


def test_crossing_hands_keep_their_ids(film):
    """One passes before the other, and while it hides it there is only one."""
    start = film.show(RIGHT, LEFT)
    for n in range(25):
        x = 0.12 - 0.01 * n
        near, far = ((x, 0.05, 0.40), 'right'), ((-x, 0.05, 0.55), 'left')
        film.show(*((near,) if abs(x) < 0.045 else (near, far)))
    end = film.show(((-0.13, 0.05, 0.40), 'right'), ((0.13, 0.05, 0.55), 'left'))
    assert start == end


def test_one_view_is_enough_to_go_on(film):
    before = film.show(RIGHT)
    for n in range(10):
        assert film.show(((0.12 - 0.01 * n, 0.05, 0.45), 'right'), views=(n % 2,)) == before


def test_views_that_guess_distances_in_turn_set_nothing_in_motion(film, rig, hand_at, detection):
    """The left one takes the hand for smaller, and so farther away, than the right one."""
    hand = hand_at(*RIGHT)
    for n in range(8):
        view = n % 2
        seen = detection((1.0, 1.3)[view] * hand, rig.views[view])
        centre = seen.keypoints_px.mean(axis=0)
        true = rig.views[view].project(hand).mean(axis=0)
        seen.keypoints_px[:] = true + (seen.keypoints_px - centre) * (0.8, 1.3)[view]
        looks = [[seen], []] if view == 0 else [[], [seen]]
        film.tracker.update(match_views(looks, rig.views).hands, rig.views, film.stamp_ns)
        film.stamp_ns += FRAME_NS
    (track,) = film.tracker.tracks
    later = track.predicted_points(film.stamp_ns + 3 * FRAME_NS)
    now = track.predicted_points(film.stamp_ns - FRAME_NS)
    assert np.linalg.norm((later - now).mean(axis=0)) < 0.005


def test_no_more_hands_than_asked_for(rig, hand_at, detection):
    film = Film(rig, hand_at, detection, max_hands=1)
    film.show(RIGHT, LEFT)
    assert len(film.tracker.tracks) == 1
    assert film.unclaimed == 1


def test_a_second_look_that_disagrees_is_no_new_hand(film, rig, hand_at, detection):
    """The right view's keypoints are off their epipolar lines: the views are not one hand's."""
    before = film.show(RIGHT)
    hand = hand_at(*RIGHT)
    left, right = (detection(hand, camera) for camera in rig.views)
    right.keypoints_px[:, 1] += 0.2 * right.size_px
    sightings = match_views(([left], [right]), rig.views).hands
    assert len(sightings) == 2
    assert film.tracker.update(sightings, rig.views, film.stamp_ns) == 1
    assert [track.id for track in film.tracker.tracks] == [before['right']]


def test_looks_on_either_side_of_a_hand_are_no_new_hand(film, rig, hand_at, detection):
    """Each view is near where the hand is expected, and too far from the other to be it."""
    for _ in range(3):
        before = film.show(RIGHT)
    hand = hand_at(*RIGHT)
    above = detection(hand, rig.left, 'left', sure=0.99)
    above.keypoints_px[:, 1] -= 0.3 * above.size_px
    below = detection(hand, rig.right, 'right')
    below.keypoints_px[:, 1] += 0.5 * below.size_px
    sightings = match_views(([above], [below]), rig.views).hands
    assert len(sightings) == 2
    film.tracker.update(sightings, rig.views, film.stamp_ns)
    assert [track.id for track in film.tracker.tracks] == [before['right']]


def test_a_hand_that_one_view_loses_keeps_its_distance(film, rig, hand_at, detection):
    """The detector takes the hand for a third smaller than two views have just measured it."""
    film.show(RIGHT)
    hand = hand_at(*RIGHT)
    for _ in range(3):
        seen = detection(hand, rig.left)
        seen.world[:] *= 2 / 3
        film.tracker.update(match_views(([seen], []), rig.views).hands, rig.views, film.stamp_ns)
        film.stamp_ns += FRAME_NS
    (track,) = film.tracker.tracks
    expected = track.predicted_px(rig.right, film.stamp_ns - FRAME_NS)
    away = np.linalg.norm(expected - rig.right.project(hand), axis=1).mean()
    assert away < 0.05 * seen.size_px


def test_a_view_looks_where_it_saw_the_hand(film, rig, hand_at, detection):
    """Whatever the detector takes its form for, and however fast it moves."""
    for n in range(4):
        hand = hand_at((0.12 - 0.02 * n, 0.05, 0.45), 'right')
        seen = detection(hand, rig.left)
        seen.world[:, 2] *= 5.0
        film.tracker.update(match_views(([seen], []), rig.views).hands, rig.views, film.stamp_ns)
        film.stamp_ns += FRAME_NS
    (track,) = film.tracker.tracks
    here = track.expected_px(0, rig.left, film.stamp_ns - FRAME_NS)
    np.testing.assert_allclose(here, seen.keypoints_px)
    next_px = rig.left.project(hand_at((0.12 - 0.02 * 4, 0.05, 0.45), 'right'))
    expected = track.expected_px(0, rig.left, film.stamp_ns)
    away = np.abs(expected - next_px).mean()
    assert away < 0.5 * np.abs(here - next_px).mean()


def test_a_mesh_corrects_the_distance_of_a_hand_in_one_view(film, rig, hand_at, detection):
    """A hand a fifth smaller than the detector thinks is nearer than one view can tell."""
    hand = 0.8 * hand_at(*RIGHT)
    seen = detection(1.25 * hand, rig.left)
    film.tracker.update(match_views(([seen], []), rig.views).hands, rig.views, 0)
    (track,) = film.tracker.tracks
    guessed = track.predicted_px(rig.right, 0)
    track.correct(hand, 0)
    corrected = track.predicted_px(rig.right, 0)
    true = rig.right.project(hand)
    assert np.abs(corrected - true).mean() < 0.1 < np.abs(guessed - true).mean()
    # A mesh of a frame that nobody remembers changes nothing.
    track.correct(2 * hand, 1)
    np.testing.assert_array_equal(track.predicted_px(rig.right, 0), corrected)


def test_a_mesh_that_comes_late_still_tells_the_size(film, rig, hand_at, detection):
    hand = 0.8 * hand_at(*RIGHT)
    seen = detection(1.25 * hand, rig.left)
    for n in range(4):
        film.tracker.update(match_views(([seen], []), rig.views).hands, rig.views, n * FRAME_NS)
        if n >= 2:
            film.tracker.tracks[0].correct(hand, (n - 2) * FRAME_NS)
    expected = film.tracker.tracks[0].predicted_px(rig.right, 3 * FRAME_NS)
    assert np.abs(expected - rig.right.project(hand)).mean() < 0.3


def test_two_hands_of_one_person_are_a_left_and_a_right_one(rig, hand_at, detection):
    """The detector takes both for right hands, the one to the left less surely so."""
    for one_person in (True, False):
        film = Film(rig, hand_at, detection, one_person=one_person)
        for _ in range(10):
            hands = [(hand_at(RIGHT[0]), 0.95), (hand_at(LEFT[0], 'left', 'open'), 0.8)]
            detections = [
                [detection(hand, camera, 'right', sure=sure) for hand, sure in hands]
                for camera in rig.views
            ]
            sightings = match_views(detections, rig.views).hands
            film.tracker.update(sightings, rig.views, film.stamp_ns)
            film.stamp_ns += FRAME_NS
        first, second = film.tracker.tracks
        assert first.handedness == 'right' and not first.is_overruled
        assert second.handedness == ('left' if one_person else 'right')
        assert second.handedness_score == 0.5 if one_person else second.handedness_score > 0.9
        # Alone again, it is what it looks like.
        film.tracker.update([sightings[1]], rig.views, film.stamp_ns)
        assert second.handedness == 'right'
