"""``python -m ser`` is ``ser``: where only the code was brought, as in a submitted job, there is no command."""

import sys

from ser.cli import main

sys.exit(main())
