"""The demo end to end: film, nodes, scores, pictures."""

import cv2
import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

from realhands_ros.demo.demo_run import recording, replay
from realhands_ros.demo.demo_video import write_video
from realhands_ros.demo.trial import run_trial
from realhands_ros.errors import DatasetError
from realhands_ros.synthesis.config import FilmSettings
from realhands_ros.system.graph import Wiring

pytestmark = pytest.mark.slow

# The hand of this film is in view of both cameras in all of it.
SETTINGS = FilmSettings(seconds=1.5, rate=10, seed=2)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('demo')


@pytest.fixture(scope='module')
def film(folder):
    return recording(folder, SETTINGS)


@pytest.fixture(scope='module')
def run(film, folder, ros_domain):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ROS_DOMAIN_ID', str(ros_domain))
        return replay(film, folder / 'run', rate=0.3, composition=True)


def test_the_film_is_made_once(film, folder):
    before = film.stat().st_mtime_ns
    assert recording(folder, SETTINGS) == film
    assert film.stat().st_mtime_ns == before


def test_meshes_come_and_are_right(run):
    assert run.latency.sent == SETTINGS.num_frames
    assert run.latency.dropped < SETTINGS.num_frames / 2
    scores = run.scores
    assert scores.counts['matched'] > 0
    assert scores.counts['handedness_errors'] == 0
    assert scores.value('pa_mpvpe') < 15
    assert scores.value('wrist') < 40
    assert set(run.trial.loads) == {'hand_nodes', 'recorder'}


def test_the_tables_say_it(run):
    text = run.text()
    for part in ('image to mesh', 'hand_nodes', 'PA-MPVPE', 'absolute wrist error: median'):
        assert part in text


def test_the_video_shows_it(run, film, tmp_path):
    path = write_video(film, run.trial.results, tmp_path / 'demo.mp4')
    video = cv2.VideoCapture(str(path))
    done, picture = video.read()
    assert done
    # The left image, and two square views of the hand beside it.
    assert picture.shape == (376, 672 + 188, 3)


def test_what_is_no_recording_is_refused(tmp_path, ros_domain, monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', str(ros_domain))
    with pytest.raises(DatasetError, match='nothing'):
        run_trial(tmp_path / 'nothing', Wiring(), tmp_path / 'run')
