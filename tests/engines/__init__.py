"""Real FIX engines as a source of traffic: a venue, a firm, and the incident between them."""
