#!/bin/sh
# Name what is missing before anything is downloaded. Usage: check_prerequisites.sh PYTHON
python=${1:?usage: check_prerequisites.sh PYTHON}
missing=0

need() {  # need WHAT PACKAGE COMMAND...: report WHAT and the Debian package unless COMMAND succeeds
  what=$1 package=$2
  shift 2
  if ! "$@" >/dev/null 2>&1; then
    echo "missing: $what (Debian/Ubuntu package: $package)" >&2
    missing=1
  fi
}

need "Python ($python)" python3 "$python" --version
need 'Python 3.10, 3.11 or 3.12 (choose one with: make PYTHON=python3.11 …)' python3.11 \
  "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))'
need "the venv module of $python" python3-venv "$python" -c 'import ensurepip, venv'
need "the header files of $python" python3-dev "$python" -c \
  'import pathlib, sys, sysconfig; sys.exit(not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists())'
need 'a C++ compiler' g++ sh -c 'command -v "${CXX:-c++}"'
need 'CMake 3.16 or newer' cmake sh -c \
  'command -v cmake && cmake --version | awk "NR==1 {split(\$3, v, \".\"); exit !(v[1] > 3 || (v[1] == 3 && v[2] >= 16))}"'
need 'GNU make' make sh -c 'command -v make'
if [ -n "$AMENT_PREFIX_PATH" ]; then  # a ROS 2 install is sourced: its own build tool is used
  need 'colcon' python3-colcon-common-extensions "$python" -c 'import colcon_ros'
fi
exit $missing
