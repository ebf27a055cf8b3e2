"""Start the auth service: `python -m auth_service`."""

import os
import sys

from auth_service.app import create_app
from auth_service.settings import AuthSettings
from auth_service.tokens import KeyFolderError
from shared.http.application import prepare_process, run
from shared.settings import load_or_exit

PROGRAM = "auth_service"


def main() -> None:
    settings = load_or_exit(AuthSettings, os.environ, PROGRAM)
    prepare_process(settings)
    try:
        app = create_app(settings)
    except KeyFolderError as error:
        print(f"{PROGRAM} cannot start:\n{error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None
    run(app, settings)


if __name__ == "__main__":
    main()
