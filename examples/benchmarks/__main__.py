"""Run a benchmark: ``python examples/benchmarks NAME --quick``.

Its tables are printed and written into ``results``, each as a CSV file with a JSON file
beside it that says where and when; those of a quick run go to a temporary folder.
"""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from _common import HERE, RESULTS, MissingError, Options, quiet, save, show, use_threads


def main():
    """Parse, measure, print and write."""
    names = sorted(path.stem for path in HERE.glob("[!_]*.py"))
    name = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    module = importlib.import_module(name) if name in names else None
    parser = argparse.ArgumentParser(
        prog="python examples/benchmarks",
        description=module.__doc__ if module else __doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", choices=names, nargs=1, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, one seed: a trial"
    )
    parser.add_argument("--seeds", type=int, help="how many, if not as many as usual")
    parser.add_argument("--threads", type=int, default=1, help="of torch and BLAS")
    parser.add_argument(
        "--jobs", type=int, default=1, help="tasks at a time; times are rough"
    )
    parser.add_argument(
        "--parts", nargs="+", choices=module and module.PARTS, help="some only"
    )
    parser.add_argument("--out", type=Path, help="folder of the tables")
    if len(sys.argv) == 1:
        parser.print_help()
        return
    given = parser.parse_args()
    options = Options(given.quick, given.seeds, given.threads, given.jobs)
    folder = given.out or (Path(tempfile.mkdtemp()) if given.quick else RESULTS)
    for part in given.parts or module.PARTS:
        try:
            with use_threads(options.threads), quiet():
                for table in module.PARTS[part](options):
                    if table.rows:
                        show(table)
                        save(table, name, options, folder)
        except MissingError as error:
            print(f"{part} is left out: {error}", flush=True)
    print(f"\nThe tables are in {folder}.")


if __name__ == "__main__":
    main()
