"""Ask the service in this container whether it is well: `healthcheck.py /healthz` or `/readyz`.

Exits with 0 when the answer is 200, else with 1 and the answer. Needs nothing but Python.
"""

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_S = 4.0


def main() -> int:
    connection = HTTPConnection("127.0.0.1", int(os.environ["PORT"]), timeout=TIMEOUT_S)
    try:
        connection.request("GET", sys.argv[1])
        response = connection.getresponse()
        answer = response.read().decode()
    except (OSError, HTTPException) as error:
        print(f"no answer: {error}")
        return 1
    finally:
        connection.close()
    print(answer)
    return 0 if response.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
