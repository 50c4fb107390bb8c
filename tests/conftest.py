"""Set before scikit-learn is imported, so that its array API checks are not skipped."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")
