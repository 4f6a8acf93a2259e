"""The project dock: makes, opens and closes projects, and shows when they were saved."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from napari import Viewer
from numpy.typing import NDArray
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet.projects.layer_records import (
    add_layer,
    check_state,
    dress,
    read_pixels,
    restore_view,
)
from napari_unet.projects.project import Project, enter_project, leave_project
from napari_unet.projects.records import LayerRecord, ProjectChoices, ProjectState
from napari_unet.settings import load_settings
from napari_unet.text import as_html
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.dock import PLUGIN, Dock
from napari_unet.widgets.common.messages import confirm, report, warn
from napari_unet.widgets.project.session import ProjectSession
from training.errors import UserError

Loaded = tuple[Project, ProjectState, dict[str, NDArray[Any]], dict[str, UserError]]


class ProjectDock(Dock):
    """Shows the project of this window; it stays open when the dock is closed.

    Parameters
    ----------
    napari_viewer : Viewer
        Whose layers are saved; napari gives it by this name.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session: ProjectSession | None = None
        self._title, self._problems, self._status = QLabel(), QLabel(), QLabel()
        self._new, self._open = QPushButton("New…"), QPushButton("Open…")
        self._again, self._close = QPushButton(), QPushButton("Close project")
        self._lay_out()
        self._new.clicked.connect(self._on_new_requested)
        self._open.clicked.connect(self._on_open_requested)
        self._again.clicked.connect(self._on_again_requested)
        self._close.clicked.connect(self._on_close_requested)
        self._last = load_settings().project
        self._show_project()

    def new_project(self, folder: Path) -> None:
        """Make a project of what is in the viewer."""
        self._say("Making the project…")
        run_in_thread(lambda: _create(folder), self._on_created, self._on_failed)

    def open_project(self, folder: Path) -> None:
        """Open a project as it was left; the layers that are open give way to it."""
        if len(self._viewer.layers) and not confirm(
            self,
            f"Open the project '{folder.name}'?",
            "The layers that are open now are closed; what is not saved of them is lost.",
            "Close them and open",
        ):
            return
        self._say("Reading the project…")
        run_in_thread(lambda: _load(folder), self._on_loaded, self._on_failed)

    def _lay_out(self) -> None:
        self._new.setToolTip("Save what is open as a project, in a new or an empty folder.")
        self._open.setToolTip("Open a project as it was left.")
        self._again.setToolTip("Open the last project as it was left.")
        self._close.setToolTip("Save for the last time; the layers stay open.")
        for text in (self._title, self._problems, self._status):
            text.setWordWrap(True)
        self._problems.hide()
        row = QHBoxLayout()
        row.addWidget(self._new)
        row.addWidget(self._open)
        layout = QVBoxLayout(self.content)
        layout.addWidget(self._title)
        layout.addWidget(self._problems)
        layout.addWidget(self._status)
        layout.addLayout(row)
        layout.addWidget(self._again)
        layout.addWidget(self._close)
        layout.addStretch(1)

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Only now the window is known that may have a project open already."""
        super().showEvent(event)
        window = _main_window(self)
        session = window.findChild(ProjectSession) if window is not None else None
        if session is not None and self._session is None:
            self._follow(session)

    def _follow(self, session: ProjectSession) -> None:
        self._session = session
        session.saved.connect(self._on_saved)
        session.failed.connect(self._on_save_failed)
        self._show_project()

    def _show_project(self) -> None:
        has_project = self._session is not None
        for button in (self._new, self._open):
            button.setEnabled(not has_project)
        self._close.setVisible(has_project)
        last = Path(self._last or "-")
        self._again.setVisible(not has_project and last.is_dir())
        self._again.setText(f"Open '{last.name}' again".replace("&", "&&"))
        if self._session is not None:
            folder = self._session.project.folder
            self._title.setText(f"<b>{as_html(folder.name)}</b><br>{as_html(str(folder))}")
            self._say("Strokes are saved a second after they are painted.")
        else:
            self._title.setText("<b>No project is open</b>")
            self._say(
                "A project is a folder that keeps labels, runs and view, and saves itself. Stacks "
                "stay where they are."
            )

    def _say(self, text: str) -> None:
        self._status.setText(text)

    def _on_new_requested(self) -> None:
        folder, _ = QFileDialog.getSaveFileName(self, "Folder of the new project", "project")
        if folder:
            self.new_project(Path(folder))

    def _on_open_requested(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the project")
        if folder:
            self.open_project(Path(folder))

    def _on_again_requested(self) -> None:
        self.open_project(Path(self._last))

    def _on_close_requested(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.end()
            run_in_thread(leave_project, lambda _: None)
        self._last = ""
        self._problems.hide()
        self._show_project()

    def _on_created(self, project: Project) -> None:
        self._begin(project)

    def _on_failed(self, error: Exception) -> None:
        self._show_project()
        report(error)

    def _begin(self, project: Project, missing: tuple[LayerRecord, ...] = ()) -> ProjectSession:
        window: Any = _main_window(self)
        session = ProjectSession(self._viewer, project, window, missing)
        self._follow(session)
        return session

    def _on_loaded(self, loaded: Loaded) -> None:
        project, state, _, problems = loaded
        try:
            own, missing = self._add_layers(loaded)
            restore_view(self._viewer, state.view)
        except Exception as error:  # reported as what it is; the project stays closed
            leave_project()
            self._on_failed(error)
            return
        session = self._begin(project, tuple(missing))
        for layer, name in own:
            session.adopt(layer, name)
        for problem in problems.values():
            warn(str(problem))
        self._problems.setText(
            "<br>".join(f"⚠ {as_html(str(problem))}" for problem in problems.values())
        )
        self._problems.setVisible(bool(problems))

    def _add_layers(self, loaded: Loaded) -> tuple[list[tuple[Any, str]], list[LayerRecord]]:
        """Layers of the project's own files, with their names, and records of missing stacks."""
        _, state, arrays, _ = loaded
        self._viewer.layers.clear()
        missing: list[LayerRecord] = []
        own: list[tuple[Any, str]] = []
        for record in state.layers:
            if record.stack is None:
                own.append((add_layer(self._viewer, record, arrays[record.file]), record.file))
            elif Path(record.stack.path).is_file():
                (layer,) = self._viewer.open(record.stack.path, plugin=PLUGIN)
                dress(layer, record)
            else:
                missing.append(record)
        return own, missing

    def _on_saved(self, moment: datetime) -> None:
        self._say(f"Saved at {moment:%H:%M:%S}.")

    def _on_save_failed(self, error: Exception) -> None:
        self._say(f"<b>Not saved:</b> {as_html(str(error))}")


def _create(folder: Path) -> Project:
    project = Project.create(folder)
    enter_project(project, ProjectChoices())
    return project


def _load(folder: Path) -> Loaded:
    """Everything that takes time: pixels of the project's own files, hashes of the others."""
    project = Project.open(folder)
    state = project.read()
    arrays: dict[str, NDArray[Any]] = {}
    problems: dict[str, UserError] = {}
    check_state(state, project.document)
    for record in state.layers:
        if record.stack is None:
            is_single = len(record.attributes.get("scale", ())) == 2
            arrays[record.file] = read_pixels(project.own_file(record), is_single)
        elif (problem := record.stack.problem()) is not None:
            problems[record.stack.path] = problem
    enter_project(project, state.settings)
    return project, state, arrays, problems


def _main_window(widget: QWidget) -> QMainWindow | None:
    """The window of a dock, floating or not."""
    parent: Any = widget.parent()
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parent()
    return parent
