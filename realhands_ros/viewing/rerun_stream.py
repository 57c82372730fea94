"""Where a Rerun recording goes: a viewer, a browser, a file."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from realhands_ros.errors import ConfigError
from realhands_ros.viewing.picture_output import make_folder, refuse_existing
from realhands_ros.viewing.window import has_display, require_display

_APPLICATION = 'realhands'
_SUFFIX = '.rrd'


@dataclass(frozen=True)
class Destination:
    """
    A file (``save``), a browser (``web``), or a viewer that is started, where neither is asked.

    ``web_port`` and ``grpc_port`` are where the browser finds page and data.
    """

    save: Path | None = None
    web: bool = False
    overwrite: bool = False
    web_port: int = 9090
    grpc_port: int = 9876

    def check(self) -> None:
        """Raise ConfigError for what cannot be, before any work is done."""
        load_rerun()
        if self.save is not None:
            if self.web:
                message = 'give --save or --web, not both'
                raise ConfigError(message)
            if self.save.suffix != _SUFFIX:
                message = f'{self.save} is no name of a Rerun recording: end it in {_SUFFIX}'
                raise ConfigError(message)
            refuse_existing(self.save, self.overwrite)
            make_folder(self.save.parent)
        elif not self.web:
            require_display('the Rerun viewer', 'use --save FILE.rrd or --web')

    def open(self) -> Any:
        """Return a new rerun.RecordingStream that goes there; ConfigError if it cannot."""
        self.check()
        rr = load_rerun()
        stream = rr.RecordingStream(_APPLICATION)
        try:
            if self.save is not None:
                stream.save(self.save)
            elif self.web:
                address = rr.serve_grpc(grpc_port=self.grpc_port, recording=stream)
                rr.serve_web_viewer(
                    web_port=self.web_port, connect_to=address, open_browser=has_display()
                )
                print(
                    f'http://localhost:{self.web_port}/?url={quote(address, safe="")}', flush=True
                )
            else:
                stream.spawn()
        # Rerun raises what comes to its mind: RuntimeError, ValueError, OSError.
        except Exception as error:
            message = f'Rerun cannot start ({error}): is the port or the file in use?'
            raise ConfigError(message) from error
        return stream


def load_rerun() -> Any:
    """Return the module rerun; ConfigError that names the extra where it cannot be imported."""
    try:
        return importlib.import_module('rerun')
    except ImportError as error:
        message = (
            f'`realhands view` needs Rerun, which cannot be imported ({error}): install the extra '
            "`view`: pip install 'realhands[view]'"
        )
        raise ConfigError(message) from error
