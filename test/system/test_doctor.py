"""The doctor says what is missing, what that means, and whether the demo can run."""

from importlib import util

import pytest

from realhands_ros.cli.main import main
from realhands_ros.system import doctor
from realhands_ros.system.doctor import Finding, Status, can_run_demo, examine


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_every_part_is_named_and_has_a_remedy_when_not_ok():
    findings = by_name(examine())
    expected = {'Python', 'torch', 'MediaPipe', 'hand model', 'DDS profile', 'shared memory'}
    assert expected <= findings.keys()
    for finding in findings.values():
        assert finding.detail
        assert finding.status is Status.OK or finding.remedy


def test_a_missing_package_stops_the_demo(monkeypatch, capsys):
    find_spec = util.find_spec
    monkeypatch.setattr(
        doctor.util, 'find_spec', lambda name: None if name == 'torch' else find_spec(name)
    )
    findings = by_name(examine())
    assert findings['torch'].status is Status.FAILED
    assert not can_run_demo(list(findings.values()))
    assert main(['doctor']) == 1
    assert 'The demo cannot run' in capsys.readouterr().out


def test_a_folder_called_launch_is_not_the_launch_package(tmp_path, monkeypatch):
    (tmp_path / 'cv_bridge').mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    if util.find_spec('cv_bridge').origin is not None:
        pytest.skip('the real cv_bridge is installed here')
    assert by_name(examine())['cv_bridge'].status is Status.ABSENT


def test_a_check_that_raises_becomes_a_finding(monkeypatch):
    def _check_something_broken() -> list[Finding]:
        raise OSError('no such device')

    monkeypatch.setattr(doctor, '_CHECKS', (_check_something_broken,))
    (finding,) = examine()
    assert finding.name == 'something broken'
    assert finding.status is Status.FAILED
    assert 'no such device' in finding.detail


def test_a_profile_that_does_not_exist_is_a_failure(monkeypatch):
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', '/no/such/profile.xml')
    finding = by_name(examine())['DDS profile']
    assert finding.status is Status.FAILED
    assert '/no/such/profile.xml' in finding.detail
