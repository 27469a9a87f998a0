"""The order state change matrices of FIX, Appendix D, as scripts (see ``order_script``).

Facts of FIX 4.2 (D1-D36), 4.4 and 5.0 (A.1.a-L.1.a), told anew; where versions describe the same
course of events it is listed once, under the letters of 4.4 and 5.0, with FIX 4.2's execution types
as the adapter normalises them (fills are ``trade``, ExecTransType becomes the execution type). Rows
that give the way not taken (a reject, then the course that goes on) are courses of their own.
"""

_ACCEPTED = """
> new X 10000
< X new new 10000 0 10000
"""
_PART_FILLED = (
    _ACCEPTED
    + """
< X trade partially_filled 10000 1000 9000 1000 exec:a
"""
)
_GTC = (
    _ACCEPTED
    + """
< X trade partially_filled 10000 2000 8000 2000 exec:B
< X done_for_day done_for_day 10000 2000 8000
"""
)
_RESTATED = (
    _GTC
    + """
< X restated partially_filled 10000 2000 8000
"""
)

MATRICES: dict[str, str] = {
    "rejected by the sell side": """
        > new X 10000
        < X rejected rejected 10000 0 0
        """,
    "A.1.a filled": _ACCEPTED
    + """
        < X trade partially_filled 10000 2000 8000 2000 exec:b
        < X trade partially_filled 10000 3000 7000 1000 exec:c
        < X trade filled 10000 10000 0 7000 exec:d
        """,
    "A.1.b part-filled day order, done for day": _ACCEPTED
    + """
        < X trade partially_filled 10000 2000 8000 2000 exec:b
        < X trade partially_filled 10000 3000 7000 1000 exec:c
        < X done_for_day done_for_day 10000 3000 0
        """,
    "A.1.c pending new first": """
        > new X 10000
        < X pending_new pending_new 10000 0 10000
        < X new new 10000 0 10000
        """,
    "B.1.a cancel of an order without fills": _ACCEPTED
    + """
        > cancel Y X
        < Y,X pending_cancel pending_cancel 10000 0 10000
        < Y,X canceled canceled 10000 0 0
        """,
    "B.1.a the cancel is rejected": _ACCEPTED
    + """
        > cancel Y X
        < Y,X pending_cancel pending_cancel 10000 0 10000
        < no Y,X new
        """,
    "B.1.b fills while the cancel is active": _ACCEPTED
    + """
        < X trade partially_filled 10000 2000 8000 2000 exec:b
        > cancel Y X
        < X trade partially_filled 10000 5000 5000 3000 exec:c
        < Y,X pending_cancel pending_cancel 10000 5000 5000
        < X trade pending_cancel 10000 6000 4000 1000 exec:d
        < Y,X canceled canceled 10000 6000 0
        """,
    "B.1.c filled before the cancel is accepted": _ACCEPTED
    + """
        < X trade partially_filled 10000 2000 8000 2000 exec:b
        > cancel Y X
        < X trade partially_filled 10000 5000 5000 3000 exec:c
        < Y,X pending_cancel pending_cancel 10000 5000 5000
        < X trade pending_cancel 10000 10000 0 5000 exec:d
        < no Y,X filled
        """,
    "B.1.d cancel before the order is acknowledged": """
        > new X 10000
        > cancel Y X
        < X pending_new pending_new 10000 0 10000
        < Y,X pending_cancel pending_cancel 10000 0 10000
        < X new pending_cancel 10000 0 10000
        < Y,X canceled canceled 10000 0 0
        """,
    "B.1.e acknowledgement and cancel cross": """
        > new X 10000
        > cancel Y X
        < X new new 10000 0 10000
        < Y,X pending_cancel pending_cancel 10000 0 10000
        < Y,X canceled canceled 10000 0 0
        """,
    "B.1.f cancel of an order the venue does not know": """
        > cancel Y X
        < no Y,X rejected order:NONE
        """,
    "C.1.a increase, no fills": _ACCEPTED
    + """
        > replace Y X 11000
        < Y,X pending_replace pending_replace 10000 0 10000
        < Y,X replaced replaced 11000 0 11000
        < Y trade partially_filled 11000 1000 10000 1000 exec:b
        < Y trade partially_filled 11000 3000 8000 2000 exec:c
        """,
    "C.1.b increase, a fill while pending": _PART_FILLED
    + """
        > replace Y X 12000
        < Y,X pending_replace pending_replace 10000 1000 9000
        < X trade pending_replace 10000 1100 8900 100 exec:b
        < Y,X replaced partially_filled 12000 1100 10900
        < Y trade filled 12000 12000 0 10900 exec:c
        """,
    "C.1.b the increase is rejected": _PART_FILLED
    + """
        > replace Y X 12000
        < Y,X pending_replace pending_replace 10000 1000 9000
        < X trade pending_replace 10000 1100 8900 100 exec:b
        < no Y,X partially_filled
        < X trade partially_filled 10000 1200 8800 100 exec:c
        """,
    "C.1.c increase of a filled order": _ACCEPTED
    + """
        < X trade filled 10000 10000 0 10000 exec:b
        > replace Y X 12000
        < Y,X pending_replace pending_replace 10000 10000 0
        < Y,X replaced partially_filled 12000 10000 2000
        < Y trade filled 12000 12000 0 2000 exec:c
        """,
    "C.2.a change of price, refused because filled": _PART_FILLED
    + """
        > replace Y X 10000
        < X trade filled 10000 10000 0 9000 exec:b
        < no Y,X filled
        """,
    "C.3.a decrease, more than executed": _PART_FILLED
    + """
        > replace Y X 8000
        < X trade partially_filled 10000 1500 8500 500 exec:b
        < Y,X pending_replace pending_replace 10000 1500 8500
        < X trade pending_replace 10000 1600 8400 100 exec:c
        < Y,X replaced partially_filled 8000 1600 6400
        < Y trade filled 8000 8000 0 6400 exec:d
        """,
    "C.3.b decrease to what is executed": _ACCEPTED
    + """
        > replace Y X 7000
        < X trade partially_filled 10000 7000 3000 7000 exec:b
        < Y,X replaced filled 7000 7000 0
        """,
    "C.3.c decrease below what is executed": _ACCEPTED
    + """
        > replace Y X 7000
        < X trade partially_filled 10000 8000 2000 8000 exec:b
        < Y,X replaced filled 8000 8000 0
        """,
    "D.1.a two replaces, one after the other": _PART_FILLED
    + """
        > replace Y X 8000
        < Y,X pending_replace pending_replace 10000 1000 9000
        < X trade pending_replace 10000 1500 8500 500 exec:b
        < Y,X replaced partially_filled 8000 1500 6500
        < Y trade partially_filled 8000 3500 4500 2000 exec:c
        > replace Z Y 6000
        < Z,Y pending_replace pending_replace 8000 3500 4500
        < Y trade pending_replace 8000 4000 4000 500 exec:d
        < Z,Y replaced partially_filled 6000 4000 2000
        < Z trade filled 6000 6000 0 2000 exec:e
        """,
    "D.1.b the first is rejected at once, the second accepted": _PART_FILLED
    + """
        > replace Y X 8000
        < no Y,X partially_filled
        < X trade partially_filled 10000 1500 8500 500 exec:b
        > replace Z X 6000
        < Z,X pending_replace pending_replace 10000 1500 8500
        < X trade pending_replace 10000 2000 8000 500 exec:c
        < Z,X replaced partially_filled 6000 2000 4000
        < Z trade filled 6000 6000 0 4000 exec:d
        """,
    "D.1.c the first is rejected while pending, the second accepted": _PART_FILLED
    + """
        > replace Y X 8000
        < Y,X pending_replace pending_replace 10000 1000 9000
        < X trade pending_replace 10000 1500 8500 500 exec:b
        < no Y,X partially_filled
        < X trade partially_filled 10000 3500 6500 2000 exec:c
        > replace Z X 6000
        < Z,X pending_replace pending_replace 10000 3500 6500
        < Z,X replaced partially_filled 6000 3500 2500
        < Z trade partially_filled 6000 5000 1000 1500 exec:d
        """,
    "D.2.a two at once, taken one by one": _PART_FILLED
    + """
        > replace Y X 8000
        > replace Z Y 7000
        < Y,X pending_replace pending_replace 10000 1000 9000
        < Y,X replaced partially_filled 8000 1000 7000
        < Z,Y pending_replace pending_replace 8000 1000 7000
        < Z,Y replaced partially_filled 7000 1000 6000
        < Z trade filled 7000 7000 0 6000 exec:b
        """,
    "D.2.b two at once, both pending before either is done": _PART_FILLED
    + """
        > replace Y X 8000
        > replace Z Y 7000
        < Y,X pending_replace pending_replace 10000 1000 9000
        < Z,X pending_replace pending_replace 8000 1000 7000
        < Y,X replaced pending_replace 8000 1000 7000
        < Z,Y replaced partially_filled 7000 1000 6000
        < Z trade filled 7000 7000 0 6000 exec:b
        """,
    "D.2.c two at once, both rejected": _PART_FILLED
    + """
        > replace Y X 8000
        > replace Z Y 7000
        < Y,X pending_replace pending_replace 10000 1000 9000
        < Z,X pending_replace pending_replace 10000 1000 9000
        < no Y,X pending_replace
        < no Z,X partially_filled
        < X trade filled 10000 10000 0 9000 exec:b
        """,
    "D.2.d two at once, the second refused because one is pending": _PART_FILLED
    + """
        > replace Y X 8000
        > replace Z Y 7000
        < Y,X pending_replace pending_replace 10000 1000 9000
        < no Z,X pending_replace
        < Y,X replaced partially_filled 8000 1000 7000
        < Y trade partially_filled 8000 3000 5000 2000 exec:b
        """,
    "E.1.a telephoned order": """
        < X new new 10000 0 10000
        < X trade partially_filled 10000 2000 8000 2000 exec:b
        < X trade filled 10000 10000 0 8000 exec:c
        """,
    "E.1.b unsolicited cancel of a part-filled order": _PART_FILLED
    + """
        < X canceled canceled 10000 1000 0
        """,
    "E.1.c unsolicited replacement of a part-filled order": _PART_FILLED
    + """
        < X replaced partially_filled 11000 1000 10000
        < X trade filled 11000 11000 0 10000 exec:b
        """,
    "E.1.d unsolicited reduction": _PART_FILLED
    + """
        < X restated partially_filled 9000 1000 8000
        < X trade filled 9000 9000 0 8000 exec:b
        """,
    "F.1.a second order with the same client id": _PART_FILLED
    + """
        > new X 15000 ! duplicate_client_id
        < X rejected partially_filled 10000 1000 9000
        """,
    "F.1.b possible-resend, and the same client id": _ACCEPTED
    + """
        > new X 10000 again
        < X order_status new 10000 0 10000
        > new X 20000 ! duplicate_client_id
        < X rejected new 10000 0 10000
        > new Y 15000 again
        < Y new new 15000 0 15000 order:W
        """,
    "F.1.c rejected as already given by voice": """
        < X new new 10000 0 10000
        > new Y 10000
        < Y rejected rejected 10000 0 0 order:W
        """,
    "G.1.a status of an order the venue does not know": """
        < X order_status rejected 0 0 0 order:NONE
        """,
    "G.1.b status, nothing done": _ACCEPTED
    + """
        < X order_status new 10000 0 10000
        """,
    "G.1.c status asked at once": """
        > new X 10000
        < X order_status pending_new 10000 0 10000
        < X new new 10000 0 10000
        < X trade partially_filled 10000 5000 5000 5000 exec:b
        < X order_status partially_filled 10000 5000 5000
        < X trade filled 10000 10000 0 5000 exec:c
        < X order_status filled 10000 10000 0
        """,
    "H.1.a GTC, restated and part-filled the next day": _RESTATED
    + """
        < X trade partially_filled 10000 3000 7000 1000 exec:e
        """,
    "H.1.b GTC, a split on the next day": _GTC
    + """
        < X restated partially_filled 20000 4000 16000
        < X trade partially_filled 20000 9000 11000 5000 exec:e
        """,
    "H.1.c GTC, restated and cancelled the next day": _RESTATED
    + """
        > cancel Y X
        < Y,X pending_cancel pending_cancel 10000 2000 8000
        < Y,X canceled canceled 10000 2000 0
        """,
    "H.1.d GTC, restated and increased the next day": _RESTATED
    + """
        > replace Y X 15000
        < Y,X pending_replace pending_replace 10000 2000 8000
        < X trade pending_replace 10000 3000 7000 1000 exec:e
        < Y,X replaced partially_filled 15000 3000 12000
        """,
    "I.1.a fill-or-kill that cannot be filled": _ACCEPTED
    + """
        < X canceled canceled 10000 0 0
        """,
    "I.1.b immediate-or-cancel, hit in part": _PART_FILLED
    + """
        < X canceled canceled 10000 1000 0
        """,
    "I.1.c day order that expires": _PART_FILLED
    + """
        < X expired expired 10000 1000 0
        """,
    "J.1.a filled order, executions corrected and cancelled": _ACCEPTED
    + """
        < X trade partially_filled 10000 1000 9000 1000 exec:C
        < X trade filled 10000 10000 0 9000 exec:D
        < X trade_cancel partially_filled 10000 9000 1000 0 exec:E ref:C
        < X trade_correct partially_filled 10000 9000 1000 9000 exec:F ref:D
        < X trade filled 10000 10000 0 1000 exec:G
        < X trade_correct filled 10000 10000 0 9000 exec:H ref:F
        > replace Y X 12000
        < Y,X pending_replace pending_replace 10000 10000 0
        < Y,X replaced partially_filled 12000 10000 2000
        < Y trade_correct partially_filled 12000 10500 1500 9500 exec:K ref:H
        """,
    "J.1.b cancelled order, an execution cancelled": _ACCEPTED
    + """
        < X trade partially_filled 10000 5000 5000 5000 exec:C
        < X canceled canceled 10000 5000 0
        < X trade_cancel canceled 10000 0 0 0 exec:E ref:C
        """,
    "J.1.c GTC, both days' executions corrected": _RESTATED
    + """
        < X trade partially_filled 10000 3000 7000 1000 exec:E
        < X trade_correct partially_filled 10000 2500 7500 1500 exec:F ref:B
        < X trade_correct partially_filled 10000 2000 8000 500 exec:G ref:E
        """,
    "K.1.a trading halt, reinstated": _ACCEPTED
    + """
        < X suspended suspended 10000 0 10000
        < X new new 10000 0 10000
        < X trade filled 10000 10000 0 10000 exec:b
        """,
    "K.1.b trading halt, cancelled": _ACCEPTED
    + """
        < X canceled canceled 10000 0 0
        """,
    "L.1.a execution guaranteed": _ACCEPTED
    + """
        < X stopped stopped 10000 0 10000
        < X trade stopped 10000 1000 9000 1000 exec:b
        < X trade filled 10000 10000 0 9000 exec:c
        """,
}
