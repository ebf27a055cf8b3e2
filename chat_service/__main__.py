"""`python -m chat_service`: serve until SIGTERM or SIGINT."""

import os

from chat_service.app import create_app
from chat_service.settings import ChatSettings
from shared.http.application import prepare_process, run
from shared.settings import load_or_exit


def main() -> None:
    settings = load_or_exit(ChatSettings, os.environ, "chat_service")
    prepare_process(settings)
    run(create_app(settings), settings)


if __name__ == "__main__":
    main()
