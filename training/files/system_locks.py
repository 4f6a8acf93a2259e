"""The system's own locks of open files: ``flock``, and ``LockFileEx`` on Windows.

Written by hand, because no maintained library has both kinds of lock, shared and exclusive, of a
file that is open already, on all systems, without packages that a training's Python may lack.
"""

from __future__ import annotations

import errno
import os
import sys

if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    # By https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfileex
    _FAIL_IMMEDIATELY, _EXCLUSIVE = 0x1, 0x2
    _HELD, _PENDING = 33, 997
    _UNSUPPORTED = (1, 50)
    _FAR = 0x40000000  # high half of the locked byte's place: nobody else could read that byte
    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)

    class _Overlapped(ctypes.Structure):
        _fields_ = (
            ("Internal", ctypes.c_void_p),
            ("InternalHigh", ctypes.c_void_p),
            ("Offset", wintypes.DWORD),
            ("OffsetHigh", wintypes.DWORD),
            ("hEvent", wintypes.HANDLE),
        )

    def lock(descriptor: int, *, is_shared: bool = False) -> None:
        """Lock an open file, without waiting, until it is closed or this process ends.

        Raises
        ------
        BlockingIOError
            If another has locked it.
        OSError
            If it can't be locked: of ENOLCK or EOPNOTSUPP where its disk has no locks.
        """
        flags = _FAIL_IMMEDIATELY | (0 if is_shared else _EXCLUSIVE)
        handle = wintypes.HANDLE(msvcrt.get_osfhandle(descriptor))
        place = _Overlapped(OffsetHigh=_FAR)
        if _kernel.LockFileEx(handle, flags, 0, 1, 0, ctypes.byref(place)):
            return
        number = ctypes.get_last_error()
        if number in (_HELD, _PENDING):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        if number in _UNSUPPORTED:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        raise ctypes.WinError(number)

else:
    import fcntl

    def lock(descriptor: int, *, is_shared: bool = False) -> None:
        """Lock an open file, without waiting, until it is closed or this process ends.

        Raises
        ------
        BlockingIOError
            If another has locked it.
        OSError
            If it can't be locked: of ENOLCK or EOPNOTSUPP where its disk has no locks.
        """
        kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
