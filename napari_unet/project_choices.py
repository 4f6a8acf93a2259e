"""The choices of a project: runs folder, training options, threshold and model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_unet.project import Project
from napari_unet.settings import load_settings, remember

KEPT = ("training", "threshold")


def project_settings(project: Project) -> dict[str, Any]:
    """What is kept with a project of what a person chose last."""
    settings = load_settings()
    kept = {name: getattr(settings, name) for name in KEPT}
    model = Path(settings.model)
    if settings.model and model.is_relative_to(project.folder):
        kept["model"] = str(model.relative_to(project.folder))  # the folder may be moved
    return kept


def enter_project(project: Project, kept: dict[str, Any]) -> None:
    """Take a project's choices, and make new runs in it."""
    settings = load_settings()
    chosen = {name: kept[name] for name in KEPT if name in kept}
    if not settings.project:
        chosen["runs_folder_outside"] = settings.runs_folder
    model = str(project.folder / kept["model"]) if kept.get("model") else ""
    remember(project=str(project.folder), runs_folder=str(project.runs), model=model, **chosen)


def leave_project() -> None:
    """Make new runs where they were made before."""
    settings = load_settings()
    outside = settings.runs_folder_outside or settings.runs_folder
    remember(project="", runs_folder=outside, runs_folder_outside="")
