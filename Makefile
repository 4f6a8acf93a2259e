# make demo [DATA=folder]    train, predict, evaluate and export on a stack; needs no screen
# make test [ARGS=...]       all tests, in a virtual screen where there is none
# make lint                  ruff and mypy
# Each sets up what it needs: system libraries (as root), and an environment in .venv.

BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test lint system

demo: $(INSTALLED)
	$(BIN)/napari-unet demo $(if $(DATA),--data "$(DATA)") --out demo --overwrite

test: $(INSTALLED)
	tools/with_screen.sh $(BIN)/python -m pytest $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

system:
	tools/install_system_packages.sh

$(INSTALLED): pyproject.toml | system
	tools/make_environment.sh .venv
	touch $@
