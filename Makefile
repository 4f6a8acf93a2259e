# make demo [DATA=folder]    train, predict, evaluate and export on a stack; needs no screen
# make test [ARGS=...]       all tests, in four parts side by side, each shown at its end; a virtual
#                            screen where there is none
# make test-pyqt6            those of the window, with PyQt6
# make test-lowest           what touches other packages, with the lowest versions allowed
# make test-newest           the same with the newest, NumPy 2 and Python 3.13 where there is one; and
#                            napari-unet setup, a training and a prediction from there
# make lint                  ruff, mypy as on Linux, macOS and Windows, and the workflows against their schema
# make docs                  the documents' site, in site/; its links are checked
# make audit                 known weaknesses of the packages installed; asks a service on the net
# Each sets up what it needs: system libraries (as root), and an environment in .venv.

BIN := .venv/bin
INSTALLED := .venv/installed
SETUP := pyproject.toml napari.yaml tools/make_environment.sh

# Each package that we depend on is used by one of these.
AT_BOUNDS := tests/test_imports.py tests/test_packaging.py \
	tests/training/masks/test_mask_files.py \
	$(addprefix tests/napari_unet/, test_formats.py test_manifest.py evaluation/test_contact_sheet.py \
		neurons/test_segmentation.py prediction/test_predictor.py \
		stacks/test_napari_reader.py stacks/test_napari_writer.py \
		cli/test_predict.py::test_all_results launchers/servers/test_connection.py \
		training_python/test_making.py::test_a_lost_connection \
		widgets/common/test_dock.py widgets/runs/test_dock.py widgets/train/test_preview_layer.py)
PYQT6_LAYOUT := tests/napari_unet/widgets/test_layout.py::test_nothing_is_cut_hidden_or_overlapping
SET_UP := tests/napari_unet/training_python/test_real_setup.py
ONE_TRAINING := tests/napari_unet/cli/test_train.py::test_a_stopped_run_is_resumed

# What takes longest goes first, and test-rest has what no other has.
APART := test-window test-faults test-training
test-window: PARTS := tests/napari_unet/widgets tests/faults/window
test-faults: PARTS := tests/faults --ignore=tests/faults/window
test-training: PARTS := tests/training
test-rest: PARTS := tests --ignore=tests/napari_unet/widgets --ignore=tests/faults \
	--ignore=tests/training

.PHONY: demo test test-rest $(APART) test-pyqt6 test-lowest test-newest lint docs audit system

# Hundreds of processes start: each would compile MindSpore and napari again without their .pyc files.
unexport PYTHONDONTWRITEBYTECODE

# Of a window's test a third of the processor's time went into threads of NumPy that wait for work.
test test-%: export OPENBLAS_NUM_THREADS := 1

ifndef ARGS
MAKEFLAGS += --jobs=$(shell getconf _NPROCESSORS_ONLN) --output-sync=line
endif

demo: $(INSTALLED)
	$(BIN)/napari-unet demo $(if $(DATA),--data "$(DATA)") --out demo --overwrite

ifdef ARGS
test: $(INSTALLED)
	tools/with_screen.sh $(BIN)/python -m pytest $(ARGS)
else
test: test-rest $(APART)
endif

test-rest $(APART): $(INSTALLED)
	tools/with_screen.sh $(BIN)/python -m pytest $(PARTS)

test-pyqt6: .venv-pyqt6/installed
	tools/with_screen.sh .venv-pyqt6/bin/python -m pytest $(or $(ARGS),tests/napari_unet/widgets)

test-lowest: .venv-lowest/installed
	tools/with_screen.sh .venv-lowest/bin/python -m pytest $(or $(ARGS),$(AT_BOUNDS) $(ONE_TRAINING))

# What uv has loaded for .venv is not loaded again.
test-newest: .venv-newest/installed
	UV_CACHE_DIR=$$(.venv-newest/bin/uv cache dir) \
		tools/with_screen.sh .venv-newest/bin/python -m pytest \
		$(or $(ARGS),$(AT_BOUNDS) $(PYQT6_LAYOUT) $(SET_UP))

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	for system in linux darwin win32; do $(BIN)/mypy --platform $$system || exit 1; done

# Not --quiet, which keeps warnings from --strict as well.
docs: export NO_MKDOCS_2_WARNING := 1
docs: $(INSTALLED)
	$(BIN)/mkdocs build --strict

audit: $(INSTALLED)
	$(BIN)/uv pip freeze --quiet --python $(BIN)/python --exclude-editable >.venv/audited.txt
	$(BIN)/uvx "pip-audit>=2.7,<3" --strict --no-deps --disable-pip -r .venv/audited.txt

system:
	tools/install_system_packages.sh

$(INSTALLED): $(SETUP) | system
	tools/make_environment.sh .venv
	touch $@

.venv-pyqt6/installed: $(SETUP) | system
	tools/make_environment.sh .venv-pyqt6 all-pyqt6,test
	touch $@

.venv-lowest/installed: $(SETUP) | system
	tools/make_environment.sh .venv-lowest pyqt5,mindspore,test lowest-direct
	touch $@

.venv-newest/installed: $(SETUP) | system
	tools/make_environment.sh .venv-newest pyqt6,test highest 3.13
	touch $@
