# make demo [DATA=folder]    train, predict, evaluate and export on a stack; needs no screen
# make test [ARGS=...]       all tests, in a virtual screen where there is none
# make test-pyqt6            those of the window, with PyQt6
# make lint                  ruff and mypy
# Each sets up what it needs: system libraries (as root), and an environment in .venv.

BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test test-pyqt6 lint system

demo: $(INSTALLED)
	$(BIN)/napari-unet demo $(if $(DATA),--data "$(DATA)") --out demo --overwrite

test: $(INSTALLED)
	tools/run_tests.sh $(BIN)/python $(ARGS)

test-pyqt6: .venv-pyqt6/installed
	tools/run_tests.sh .venv-pyqt6/bin/python $(or $(ARGS),tests/napari_unet/widgets)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

system:
	tools/install_system_packages.sh

$(INSTALLED): pyproject.toml napari.yaml | system
	tools/make_environment.sh .venv
	touch $@

.venv-pyqt6/installed: pyproject.toml napari.yaml | system
	tools/make_environment.sh .venv-pyqt6 pyqt6,mindspore,test
	touch $@
