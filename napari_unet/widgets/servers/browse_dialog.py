"""A dialog that lists the folders of a server, to choose data that are there."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet.launchers.server_path import ServerPath
from napari_unet.launchers.servers.host_keys import UnknownHostKeyError
from napari_unet.launchers.servers.predictions.folders import Entry, FolderBrowser, FolderThere
from napari_unet.launchers.servers.profiles import find_profile
from napari_unet.widgets.common.background import run_in_thread
from napari_unet.widgets.common.latest_work import LatestWork
from napari_unet.widgets.common.message_line import MessageLine
from napari_unet.widgets.servers.host_key_question import ask_to_accept
from napari_unet.widgets.servers.login_question import offer_dialogs

_ENTRY = Qt.ItemDataRole.UserRole
_SIZE = 520, 460
_last_folders: dict[str, str] = {}  # by server, until the program ends


class BrowseDialog(QDialog):
    """Choose a stack, or a folder, of a server.

    Parameters
    ----------
    server : str
        Name of its profile.
    what : str
        What is chosen: "stack" or "folder of images and labels".
    """

    def __init__(self, server: str, what: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        offer_dialogs()
        self.setWindowTitle(f"A {what} on {server}")
        self.resize(*_SIZE)
        self._server = server
        self._lister = _Lister(server)
        self._listing = LatestWork(self, self._lister.list, self._on_listed, self._on_unlisted)
        self._shown: FolderThere | None = None
        self._asked = ""
        self._path = QLineEdit()
        self._path.setToolTip(f"Path on {server}. Enter lists a folder.")
        self._up = QPushButton("Up")
        self._up.setToolTip("List the folder around this one.")
        self._names = QListWidget()
        self._names.setUniformItemSizes(True)
        self._names.setToolTip("Double-click a folder to look into it.")
        self._message = MessageLine()
        self._choose, self._cancel = QPushButton("Choose"), QPushButton("Cancel")
        self._lay_out()
        self._connect()
        self._go(_last_folders.get(server, ""))

    @property
    def chosen(self) -> ServerPath:
        """The path that is chosen."""
        return ServerPath(self._server, self._path.text())

    def done(self, result: int) -> None:
        """Close the connection when the dialog is closed."""
        self._listing.drop()
        run_in_thread(self._lister.close, _ignore, _ignore)
        super().done(result)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self._path, 1)
        row.addWidget(self._up)
        for button in (self._up, self._choose, self._cancel):
            button.setAutoDefault(False)  # Enter is for the path
        buttons = QHBoxLayout()  # a QDialogButtonBox would make Enter choose
        buttons.addStretch(1)
        buttons.addWidget(self._choose)
        buttons.addWidget(self._cancel)
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addWidget(self._names, 1)
        layout.addWidget(self._message)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        self._path.returnPressed.connect(lambda: self._go(self._path.text()))
        self._path.textChanged.connect(self._enable)
        self._up.clicked.connect(self._on_up)
        self._names.currentItemChanged.connect(self._on_current_changed)
        self._names.itemActivated.connect(self._on_activated)
        self._choose.clicked.connect(self.accept)
        self._cancel.clicked.connect(self.reject)
        self._enable()

    def _go(self, path: str) -> None:
        self._asked = path
        self._message.tell(f"Listing {path or 'the home folder'} on {self._server}…")
        self._listing.request(path)

    def _on_listed(self, folder: FolderThere) -> None:
        self._shown = folder
        _last_folders[self._server] = folder.path
        self._names.clear()
        for entry in folder.entries:
            item = QListWidgetItem(f"{entry.name}/" if entry.is_folder else entry.name)
            item.setData(_ENTRY, entry)
            if not (entry.is_folder or entry.is_stack):
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            self._names.addItem(item)
        self._path.setText(folder.path)
        empty = "" if folder.entries else "There is nothing to be seen in this folder."
        self._message.tell(" ".join(filter(None, [empty, folder.note])))
        self._enable()

    def _on_unlisted(self, error: Exception) -> None:
        if isinstance(error, UnknownHostKeyError):
            if ask_to_accept(self, error):
                self._go(self._asked)
            return
        self._message.tell_error(error)

    def _on_up(self) -> None:
        if self._shown is not None:
            self._go(self._shown.parent)

    def _on_current_changed(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            entry: Entry = item.data(_ENTRY)
            self._path.setText(entry.path)

    def _on_activated(self, item: QListWidgetItem) -> None:
        entry: Entry = item.data(_ENTRY)
        if entry.is_folder and not entry.is_stack:
            self._go(entry.path)

    def _enable(self) -> None:
        self._up.setEnabled(self._shown is not None and self._shown.path != "/")
        self._choose.setEnabled(ServerPath.parse(str(self.chosen)) is not None)


class _Lister:
    """Lists folders in a thread, over a connection that is made with the first one."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._browser: FolderBrowser | None = None

    def list(self, path: str) -> FolderThere:
        if self._browser is None:
            self._browser = FolderBrowser(find_profile(self._server))
        return self._browser.list(path)

    def close(self) -> None:
        if self._browser is not None:
            self._browser.close()


def _ignore(_: object) -> None:
    """Show nothing: the dialog is closed."""


def browse(server: str, what: str, parent: QWidget) -> ServerPath | None:
    """Have a person choose data on a server; None where nothing was chosen."""
    dialog = BrowseDialog(server, what, parent)
    is_chosen = dialog.exec_() == QDialog.DialogCode.Accepted
    chosen = dialog.chosen
    dialog.deleteLater()
    return chosen if is_chosen else None
