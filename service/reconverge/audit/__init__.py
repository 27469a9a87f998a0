"""Reading history again: proof of what was published, reasons for it, and incidents to take away.

Everything here reads and nothing here writes to Kafka.
"""

from reconverge.audit.compare import Difference as Difference
from reconverge.audit.compare import Report as Report
from reconverge.audit.compare import audit as audit
from reconverge.audit.explain import Explanation as Explanation
from reconverge.audit.explain import explain as explain
from reconverge.audit.incident import Foreign as Foreign
from reconverge.audit.incident import Incident as Incident
from reconverge.audit.incident import Step as Step
from reconverge.audit.incident import is_incident as is_incident
from reconverge.audit.incident import write as write
from reconverge.audit.past import Gone as Gone
from reconverge.audit.past import Past as Past
from reconverge.audit.past import Unheard as Unheard
from reconverge.audit.past import batch_before as batch_before
from reconverge.audit.past import opened as opened
