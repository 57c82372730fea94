# Everything a bare machine needs: `make demo` and `make test` set themselves up.
# With a ROS 2 install sourced (AMENT_PREFIX_PATH set), that one is used; else the wheels from PyPI.

SHELL := /bin/bash
PYTHON ?= $(firstword $(foreach p,python3 python3.12 python3.11 python3.10,$(shell \
  $(p) -c 'import sys; print("$(p)" if (3, 10) <= sys.version_info[:2] <= (3, 12) else "")' 2>/dev/null)) python3)
VENV := $(CURDIR)/.venv
STAMPS := $(VENV)/.stamps
LOGS := $(CURDIR)/.work/log
QUIETLY := scripts/quietly.sh
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
BUILD := $(CURDIR)/.work/build

ifdef AMENT_PREFIX_PATH
  ROS := sourced
  VENV_FLAGS := --system-site-packages
  EXTRAS := dev,export,openvino,view
  PREFIX_PATH := $(AMENT_PREFIX_PATH)
  # A sourced ROS finds libraries through its environment hooks, so our overlay needs its own.
  ENVIRONMENT := source $(VENV)/local_setup.bash && source $(VENV)/bin/activate
else
  ROS := wheels
  EXTRAS := ros,ros-build,smplx,dev,export,openvino,view
  PREFIX_PATH := $(VENV)
  ENVIRONMENT := source $(VENV)/bin/activate
endif

.PHONY: setup demo quick test lint bench clean

setup: $(STAMPS)/interfaces

demo: setup
	@$(ENVIRONMENT) && realhands doctor --brief && realhands demo --folder .work/demo $(DEMO_ARGS)

test: setup
	@$(ENVIRONMENT) && python -m pytest --durations=10 $(PYTEST_ARGS)

# After each edit: linters, types, and the tests of the parts that everything else stands on.
QUICK_TESTS := test/cli/test_start.py test/configuration test/geometry test/hand test/messages \
  test/teleoperation test/test_design.py
quick: setup
	@$(ENVIRONMENT) && ruff format --check . && ruff check . && mypy && \
	  python -m pytest -q -m 'not slow' $(QUICK_TESTS)

lint: setup
	@$(ENVIRONMENT) && ruff format --check . && ruff check . && mypy && lint-imports

bench: setup
	@$(ENVIRONMENT) && for script in benchmarks/*.py; do echo "== $$script"; python $$script || exit 1; done

clean:
	rm -rf $(VENV) .work build install log

# Named after the kind of ROS: sourcing one, or no longer, starts a new environment.
$(STAMPS)/venv-$(ROS): scripts/check_prerequisites.sh
	@scripts/check_prerequisites.sh $(PYTHON)
	@$(QUIETLY) $(LOGS)/venv.log 'Making .venv with $(PYTHON) ($(ROS) ROS 2)' \
	  $(PYTHON) -m venv --clear $(VENV_FLAGS) $(VENV)
	@mkdir -p $(STAMPS) && touch $@ $(VENV)/COLCON_IGNORE

$(STAMPS)/packages: $(STAMPS)/venv-$(ROS) pyproject.toml constraints.txt scripts/repair_ros_wheels.py
	@$(QUIETLY) $(LOGS)/torch.log 'Installing PyTorch' \
	  $(PIP) install -c constraints.txt 'setuptools<80' wheel torch 'numpy<2'
	@$(QUIETLY) $(LOGS)/packages.log 'Installing the other packages' \
	  $(PIP) install -c constraints.txt --no-build-isolation --config-settings editable_mode=compat -e '.[$(EXTRAS)]'
	@$(VENV)/bin/python scripts/repair_ros_wheels.py >$(LOGS)/repair.log
	@touch $@

$(STAMPS)/interfaces: $(STAMPS)/packages $(wildcard msg/*.msg) CMakeLists.txt package.xml
	@export PATH=$(VENV)/bin:$$PATH AMENT_PREFIX_PATH=$(PREFIX_PATH) CMAKE_PREFIX_PATH=$(PREFIX_PATH) && \
	$(QUIETLY) $(LOGS)/colcon.log 'Building the messages' \
	  $(VENV)/bin/python -m colcon --log-base $(LOGS)/colcon build \
	  --paths $(CURDIR) --merge-install --install-base $(VENV) --build-base $(BUILD) \
	  --event-handlers console_direct+ --cmake-args -DBUILD_TESTING=OFF \
	  -DREALHANDS_INTERFACES_ONLY=ON -DPython3_EXECUTABLE=$(VENV)/bin/python
	@touch $@
