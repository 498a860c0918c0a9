"""`python -m asrppl` is `asrppl`."""

import sys

from asrppl.cli.main import main

sys.exit(main())
