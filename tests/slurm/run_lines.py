"""A run in its own process, which tests interrupt: run_lines.py FOLDER LINES."""

import logging
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shift_stac.cluster import ClusterProfile, open_engine
from support import jobs


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(folder: Path, lines: int) -> None:
    profile = ClusterProfile.model_validate_json((folder / "profile.json").read_text())
    signal.signal(signal.SIGTERM, interrupt)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    with (
        ThreadPoolExecutor(lines) as pool,
        open_engine(profile, run_name=folder.name, work_dir=folder) as engine,
    ):
        for n in range(lines):
            written = folder / f"written{n}"
            log = logging.getLogger()
            pool.submit(engine.run, jobs.append, written, 300, name=f"line{n}", log=log)
        signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
