"""From photos with raw labels to a run directory with a selected epoch; `stage` is the whole of it.

Called, as in ``rl.train("birds")``, this is `rawlabel.api.train`.
"""

import sys

from rawlabel.base.callable_package import CallablePackage

sys.modules[__name__].__class__ = CallablePackage
