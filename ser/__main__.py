"""``python -m ser`` is ``ser``: where only the code was brought, as in a submitted job, there is no command."""

import os
import sys

# The current folder comes first on the path, where a file of a person's may be called as one of a library.
if not sys.flags.safe_path and sys.path[0] != os.path.dirname(os.path.dirname(__file__)):
    del sys.path[0]

from ser.cli.main import main

sys.exit(main())
