"""The package as ROS sees it: interfaces, installed tree, prerequisites."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib import util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCED = 'AMENT_PREFIX_PATH' in os.environ
MESSAGES = sorted(path.stem for path in (ROOT / 'msg').glob('*.msg'))


def clean_environment(**variables: str) -> dict[str, str]:
    """Return the environment of a new shell: nothing sourced, nothing left by our own start."""
    kept = ('PATH', 'HOME', 'LANG')
    return {name: os.environ[name] for name in kept if name in os.environ} | variables


def test_interfaces_import_without_sourcing_anything(tmp_path):
    if SOURCED:
        pytest.skip('a ROS 2 install is sourced: there the messages need its environment')
    code = 'from realhands.msg import HandMeshArray; import realhands_ros'
    subprocess.run([sys.executable, '-c', code], cwd=tmp_path, env=clean_environment(), check=True)


def test_cmake_generates_every_message():
    declared = re.findall(r'msg/(\w+)\.msg', (ROOT / 'CMakeLists.txt').read_text())
    assert sorted(declared) == MESSAGES


def test_every_message_field_is_commented():
    for path in (ROOT / 'msg').glob('*.msg'):
        blocks = path.read_text().split('\n\n')
        for block in blocks:
            fields = [line for line in block.splitlines() if line and not line.startswith('#')]
            commented = '#' in block or all('=' in line for line in fields)
            named = {'id', 'handedness', 'score', 'hands', 'stage', 'flags', 'views'}
            undocumented = {line.split()[1] for line in fields} - named
            assert commented or not undocumented, f'{path.name}: {block}'


def test_package_xml_names_what_the_code_imports():
    package = ElementTree.parse(ROOT / 'package.xml').getroot()
    assert package.get('format') == '3'
    assert package.find('member_of_group').text == 'rosidl_interface_packages'
    declared = {element.text for element in package if element.tag.endswith('depend')}
    imported = set()
    for path in (ROOT / 'realhands_ros').rglob('*.py'):
        imported |= set(re.findall(r'^\s*(?:from|import) (\w+)', path.read_text(), re.MULTILINE))
    ros_packages = {name for name in imported if name.endswith(('_msgs', 'rclpy', '_interfaces'))}
    assert ros_packages <= declared


@pytest.mark.slow
def test_colcon_installs_executables_and_data(tmp_path):
    if util.find_spec('colcon_ros') is None:
        pytest.skip('colcon is not installed (pip install -e .[ros-build])')
    source = tmp_path / 'realhands'  # as in a workspace: without a .venv inside
    ignored = shutil.ignore_patterns('.*', '__pycache__', '*.egg-info', 'test')
    shutil.copytree(ROOT, source, ignore=ignored)
    prefix = os.environ.get('AMENT_PREFIX_PATH', sys.prefix)
    ros = {name: os.environ[name] for name in ('PYTHONPATH', 'LD_LIBRARY_PATH') if SOURCED}
    environment = clean_environment(AMENT_PREFIX_PATH=prefix, CMAKE_PREFIX_PATH=prefix, **ros)
    install = tmp_path / 'install'
    command = [
        sys.executable, '-m', 'colcon', '--log-base', tmp_path / 'log', 'build',
        '--paths', source, '--merge-install', '--install-base', install,
        '--build-base', tmp_path / 'build',
        '--cmake-args', '-DBUILD_TESTING=OFF', f'-DPython3_EXECUTABLE={sys.executable}',
    ]  # fmt: skip
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert os.access(install / 'lib/realhands/realhands', os.X_OK)
    assert os.access(install / 'bin/realhands', os.X_OK)
    for relative in ('models/mano/MANO_RIGHT.npz', 'config/fastdds_images.xml'):
        assert (install / 'share/realhands' / relative).is_file()
    (module,) = install.glob('lib/python*/site-packages/realhands_ros')
    sources = {path.relative_to(ROOT) for path in (ROOT / 'realhands_ros').rglob('*.py')}
    installed = {path.relative_to(module.parent) for path in module.rglob('*.py')}
    assert installed == sources


def test_missing_prerequisites_are_named_with_their_package(tmp_path):
    for tool in ('sh', 'awk'):  # a machine with nothing else
        (tmp_path / tool).symlink_to(shutil.which(tool))
    result = subprocess.run(
        [ROOT / 'scripts/check_prerequisites.sh', 'python3.11'],
        env={'PATH': str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    for package in ('python3', 'python3-venv', 'python3-dev', 'g++', 'cmake', 'make'):
        assert f'package: {package})' in result.stderr


def test_present_prerequisites_pass():
    script = ROOT / 'scripts/check_prerequisites.sh'
    subprocess.run([script, sys.executable], env=clean_environment(), check=True)
