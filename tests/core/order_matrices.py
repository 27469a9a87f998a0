"""The order state change matrices of FIX, Appendix D, as scripts (see ``order_script``).

Facts of FIX 4.2 (D1-D36), 4.4 and 5.0 (A.1.a-L.1.a), told anew; where versions describe the same
course of events it is listed once, under the letters of 4.4 and 5.0, with FIX 4.2's execution types
as the adapter normalises them (fills are ``trade``, ExecTransType becomes the execution type). Rows
that give the way not taken (a reject, then the course that goes on) are courses of their own.
"""

_ACCEPTED = """
> new X 10000
< new X 0/10000
"""
_PART_FILLED = (
    _ACCEPTED
    + """
< trade X 1000 1000/9000 exec=a
"""
)
_GTC = (
    _ACCEPTED
    + """
< trade X 2000 2000/8000 exec=B
< done_for_day X 2000/8000
"""
)
_RESTATED = (
    _GTC
    + """
< restated X 2000/8000
"""
)

MATRICES: dict[str, str] = {
    "rejected by the sell side": """
        > new X 10000
        < rejected X 0/0 qty=10000
        """,
    "A.1.a filled": _ACCEPTED
    + """
        < trade X 2000 2000/8000 exec=b
        < trade X 1000 3000/7000 exec=c
        < trade X 7000 10000/0 exec=d
        """,
    "A.1.b part-filled day order, done for day": _ACCEPTED
    + """
        < trade X 2000 2000/8000 exec=b
        < trade X 1000 3000/7000 exec=c
        < done_for_day X 3000/0 qty=10000
        """,
    "A.1.c pending new first": """
        > new X 10000
        < pending_new X 0/10000
        < new X 0/10000
        """,
    "B.1.a cancel of an order without fills": _ACCEPTED
    + """
        > cancel Y of X
        < pending_cancel Y of X 0/10000
        < canceled Y of X 0/0 qty=10000
        """,
    "B.1.a the cancel is rejected": _ACCEPTED
    + """
        > cancel Y of X
        < pending_cancel Y of X 0/10000
        < cancel-reject Y of X status=new
        """,
    "B.1.b fills while the cancel is active": _ACCEPTED
    + """
        < trade X 2000 2000/8000 exec=b
        > cancel Y of X
        < trade X 3000 5000/5000 exec=c
        < pending_cancel Y of X 5000/5000
        < trade X 1000 6000/4000 status=pending_cancel exec=d
        < canceled Y of X 6000/0 qty=10000
        """,
    "B.1.c filled before the cancel is accepted": _ACCEPTED
    + """
        < trade X 2000 2000/8000 exec=b
        > cancel Y of X
        < trade X 3000 5000/5000 exec=c
        < pending_cancel Y of X 5000/5000
        < trade X 5000 10000/0 status=pending_cancel exec=d
        < cancel-reject Y of X status=filled
        """,
    "B.1.d cancel before the order is acknowledged": """
        > new X 10000
        > cancel Y of X
        < pending_new X 0/10000
        < pending_cancel Y of X 0/10000
        < new X 0/10000 status=pending_cancel
        < canceled Y of X 0/0 qty=10000
        """,
    "B.1.e acknowledgement and cancel cross": """
        > new X 10000
        > cancel Y of X
        < new X 0/10000
        < pending_cancel Y of X 0/10000
        < canceled Y of X 0/0 qty=10000
        """,
    "B.1.f cancel of an order the venue does not know": """
        > cancel Y of X
        < cancel-reject Y of X status=rejected id=NONE
        """,
    "C.1.a increase, no fills": _ACCEPTED
    + """
        > replace Y of X 11000
        < pending_replace Y of X 0/10000
        < replaced Y of X 0/11000 status=replaced
        < trade Y 1000 1000/10000 exec=b
        < trade Y 2000 3000/8000 exec=c
        """,
    "C.1.b increase, a fill while pending": _PART_FILLED
    + """
        > replace Y of X 12000
        < pending_replace Y of X 1000/9000
        < trade X 100 1100/8900 status=pending_replace exec=b
        < replaced Y of X 1100/10900
        < trade Y 10900 12000/0 exec=c
        """,
    "C.1.b the increase is rejected": _PART_FILLED
    + """
        > replace Y of X 12000
        < pending_replace Y of X 1000/9000
        < trade X 100 1100/8900 status=pending_replace exec=b
        < cancel-reject Y of X status=partially_filled
        < trade X 100 1200/8800 exec=c
        """,
    "C.1.c increase of a filled order": _ACCEPTED
    + """
        < trade X 10000 10000/0 exec=b
        > replace Y of X 12000
        < pending_replace Y of X 10000/0
        < replaced Y of X 10000/2000
        < trade Y 2000 12000/0 exec=c
        """,
    "C.2.a change of price, refused because filled": _PART_FILLED
    + """
        > replace Y of X 10000
        < trade X 9000 10000/0 exec=b
        < cancel-reject Y of X status=filled
        """,
    "C.3.a decrease, more than executed": _PART_FILLED
    + """
        > replace Y of X 8000
        < trade X 500 1500/8500 exec=b
        < pending_replace Y of X 1500/8500
        < trade X 100 1600/8400 status=pending_replace exec=c
        < replaced Y of X 1600/6400
        < trade Y 6400 8000/0 exec=d
        """,
    "C.3.b decrease to what is executed": _ACCEPTED
    + """
        > replace Y of X 7000
        < trade X 7000 7000/3000 exec=b
        < replaced Y of X 7000/0
        """,
    "C.3.c decrease below what is executed": _ACCEPTED
    + """
        > replace Y of X 7000
        < trade X 8000 8000/2000 exec=b
        < replaced Y of X 8000/0
        """,
    "D.1.a two replaces, one after the other": _PART_FILLED
    + """
        > replace Y of X 8000
        < pending_replace Y of X 1000/9000
        < trade X 500 1500/8500 status=pending_replace exec=b
        < replaced Y of X 1500/6500
        < trade Y 2000 3500/4500 exec=c
        > replace Z of Y 6000
        < pending_replace Z of Y 3500/4500
        < trade Y 500 4000/4000 status=pending_replace exec=d
        < replaced Z of Y 4000/2000
        < trade Z 2000 6000/0 exec=e
        """,
    "D.1.b the first is rejected at once, the second accepted": _PART_FILLED
    + """
        > replace Y of X 8000
        < cancel-reject Y of X status=partially_filled
        < trade X 500 1500/8500 exec=b
        > replace Z of X 6000
        < pending_replace Z of X 1500/8500
        < trade X 500 2000/8000 status=pending_replace exec=c
        < replaced Z of X 2000/4000
        < trade Z 4000 6000/0 exec=d
        """,
    "D.1.c the first is rejected while pending, the second accepted": _PART_FILLED
    + """
        > replace Y of X 8000
        < pending_replace Y of X 1000/9000
        < trade X 500 1500/8500 status=pending_replace exec=b
        < cancel-reject Y of X status=partially_filled
        < trade X 2000 3500/6500 exec=c
        > replace Z of X 6000
        < pending_replace Z of X 3500/6500
        < replaced Z of X 3500/2500
        < trade Z 1500 5000/1000 exec=d
        """,
    "D.2.a two at once, taken one by one": _PART_FILLED
    + """
        > replace Y of X 8000
        > replace Z of Y 7000
        < pending_replace Y of X 1000/9000
        < replaced Y of X 1000/7000
        < pending_replace Z of Y 1000/7000
        < replaced Z of Y 1000/6000
        < trade Z 6000 7000/0 exec=b
        """,
    "D.2.b two at once, both pending before either is done": _PART_FILLED
    + """
        > replace Y of X 8000
        > replace Z of Y 7000
        < pending_replace Y of X 1000/9000
        < pending_replace Z of X 1000/7000
        < replaced Y of X 1000/7000 status=pending_replace
        < replaced Z of Y 1000/6000
        < trade Z 6000 7000/0 exec=b
        """,
    "D.2.c two at once, both rejected": _PART_FILLED
    + """
        > replace Y of X 8000
        > replace Z of Y 7000
        < pending_replace Y of X 1000/9000
        < pending_replace Z of X 1000/9000
        < cancel-reject Y of X status=pending_replace
        < cancel-reject Z of X status=partially_filled
        < trade X 9000 10000/0 exec=b
        """,
    "D.2.d two at once, the second refused because one is pending": _PART_FILLED
    + """
        > replace Y of X 8000
        > replace Z of Y 7000
        < pending_replace Y of X 1000/9000
        < cancel-reject Z of X status=pending_replace
        < replaced Y of X 1000/7000
        < trade Y 2000 3000/5000 exec=b
        """,
    "E.1.a telephoned order": """
        < new X 0/10000
        < trade X 2000 2000/8000 exec=b
        < trade X 8000 10000/0 exec=c
        """,
    "E.1.b unsolicited cancel of a part-filled order": _PART_FILLED
    + """
        < canceled X 1000/0 qty=10000
        """,
    "E.1.c unsolicited replacement of a part-filled order": _PART_FILLED
    + """
        < replaced X 1000/10000
        < trade X 10000 11000/0 exec=b
        """,
    "E.1.d unsolicited reduction": _PART_FILLED
    + """
        < restated X 1000/8000
        < trade X 8000 9000/0 exec=b
        """,
    "F.1.a second order with the same client id": _PART_FILLED
    + """
        > new X 15000 ! duplicate_client_id
        < rejected X 1000/9000 status=partially_filled
        """,
    "F.1.b possible-resend, and the same client id": _ACCEPTED
    + """
        > new X 10000 possresend
        < order_status X 0/10000
        > new X 20000 ! duplicate_client_id
        < rejected X 0/10000 status=new
        > new Y 15000 possresend
        < new Y 0/15000 id=W
        """,
    "F.1.c rejected as already given by voice": """
        < new X 0/10000
        > new Y 10000
        < rejected Y 0/0 qty=10000 id=W
        """,
    "G.1.a status of an order the venue does not know": """
        < order_status X 0/0 status=rejected id=NONE
        """,
    "G.1.b status, nothing done": _ACCEPTED
    + """
        < order_status X 0/10000
        """,
    "G.1.c status asked at once": """
        > new X 10000
        < order_status X 0/10000 status=pending_new
        < new X 0/10000
        < trade X 5000 5000/5000 exec=b
        < order_status X 5000/5000
        < trade X 5000 10000/0 exec=c
        < order_status X 10000/0
        """,
    "H.1.a GTC, restated and part-filled the next day": _RESTATED
    + """
        < trade X 1000 3000/7000 exec=e
        """,
    "H.1.b GTC, a split on the next day": _GTC
    + """
        < restated X 4000/16000
        < trade X 5000 9000/11000 exec=e
        """,
    "H.1.c GTC, restated and cancelled the next day": _RESTATED
    + """
        > cancel Y of X
        < pending_cancel Y of X 2000/8000
        < canceled Y of X 2000/0 qty=10000
        """,
    "H.1.d GTC, restated and increased the next day": _RESTATED
    + """
        > replace Y of X 15000
        < pending_replace Y of X 2000/8000
        < trade X 1000 3000/7000 status=pending_replace exec=e
        < replaced Y of X 3000/12000
        """,
    "I.1.a fill-or-kill that cannot be filled": _ACCEPTED
    + """
        < canceled X 0/0 qty=10000
        """,
    "I.1.b immediate-or-cancel, hit in part": _PART_FILLED
    + """
        < canceled X 1000/0 qty=10000
        """,
    "I.1.c day order that expires": _PART_FILLED
    + """
        < expired X 1000/0 qty=10000
        """,
    "J.1.a filled order, executions corrected and cancelled": _ACCEPTED
    + """
        < trade X 1000 1000/9000 exec=C
        < trade X 9000 10000/0 exec=D
        < trade_cancel X 0 9000/1000 exec=E ref=C
        < trade_correct X 9000 9000/1000 exec=F ref=D
        < trade X 1000 10000/0 exec=G
        < trade_correct X 9000 10000/0 exec=H ref=F
        > replace Y of X 12000
        < pending_replace Y of X 10000/0
        < replaced Y of X 10000/2000
        < trade_correct Y 9500 10500/1500 exec=K ref=H
        """,
    "J.1.b cancelled order, an execution cancelled": _ACCEPTED
    + """
        < trade X 5000 5000/5000 exec=C
        < canceled X 5000/0 qty=10000
        < trade_cancel X 0 0/0 qty=10000 exec=E ref=C
        """,
    "J.1.c GTC, both days' executions corrected": _RESTATED
    + """
        < trade X 1000 3000/7000 exec=E
        < trade_correct X 1500 2500/7500 exec=F ref=B
        < trade_correct X 500 2000/8000 exec=G ref=E
        """,
    "K.1.a trading halt, reinstated": _ACCEPTED
    + """
        < suspended X 0/10000
        < new X 0/10000
        < trade X 10000 10000/0 exec=b
        """,
    "K.1.b trading halt, cancelled": _ACCEPTED
    + """
        < canceled X 0/0 qty=10000
        """,
    "L.1.a execution guaranteed": _ACCEPTED
    + """
        < stopped X 0/10000
        < trade X 1000 1000/9000 status=stopped exec=b
        < trade X 9000 10000/0 exec=c
        """,
}
