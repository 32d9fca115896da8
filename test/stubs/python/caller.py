"""A service that calls acquit: how a payment is asked for, so that it happens at
most once and its answer is found, whatever breaks.

    python caller.py HOST:PORT ORDER
"""

import random
import sys
import time

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from acquit.v1 import payment_pb2, payment_service_pb2, payment_service_pb2_grpc

TIME_FOR_ONE = 3.0  # of one call, in s: more than acquit needs, and short enough to notice what is dead
TIME_FOR_ALL = 60.0  # of the intent


class Undecided(Exception):
    """The outcome is not known in time. Ask again later with the same key, never with a new one."""


def authorize(payments, order, token, minor_units):
    """Asks until the answer is stored; returns it, its metadata and the number of calls.

    The key is made of the caller's own order, which is on record before the first
    call: so a caller that crashed comes back with the same key, and so does each
    repetition here.
    """
    request = payment_service_pb2.AuthorizeRequest(
        merchant_reference=order,
        amount=payment_pb2.Money(minor_units=minor_units, currency_code="EUR"),  # 10.00 EUR are 1000: never a float
        payment_method=payment_pb2.PaymentMethod(
            token_set=payment_pb2.TokenSet(tokens=[payment_pb2.AccountToken(account="sandbox", stored_id=token)])
        ),
    )
    ends = time.monotonic() + TIME_FOR_ALL
    wait, calls = 0.2, 0
    while True:
        calls, after = calls + 1, 0.0
        try:
            response, call = payments.Authorize.with_call(
                request,
                metadata=[("idempotency-key", f"{order}/pay")],
                timeout=min(TIME_FOR_ONE, ends - time.monotonic()),
            )
            said = metadata_of(call)
            if said.get("acquit-should-retry") != "true":
                return response, said, calls
        except grpc.RpcError as failure:
            if not may_ask_again(failure):
                raise
            after = delay(failure)
        pause = after + wait * random.uniform(0.5, 1.5)  # jitter: who failed together must not return together
        if time.monotonic() + pause >= ends:
            raise Undecided(order)
        time.sleep(pause)
        wait = min(2 * wait, 5.0)


def metadata_of(call):
    """The response's metadata, wherever it stood."""
    return dict([*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())])


def may_ask_again(failure):
    """Acquit's own word decides, not the code. Where it said nothing the call ended on
    its way; what became of it is unknown, and the key makes asking safe."""
    metadata = metadata_of(failure)
    if metadata.get("grpc-retry-pushback-ms", "").startswith("-"):
        return False
    said = metadata.get("acquit-should-retry")
    if said is not None:
        return said == "true"
    return failure.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def details(failure, kind):
    """The details of a kind that the error carries."""
    status = rpc_status.from_call(failure)
    for packed in status.details if status else ():
        detail = kind()
        if packed.Unpack(detail):
            yield detail


def delay(failure):
    """How long acquit wants to be left alone, in s."""
    return max((d.retry_delay.ToTimedelta().total_seconds() for d in details(failure, error_details_pb2.RetryInfo)), default=0.0)


def state_of(response):
    return payment_pb2.OperationState.Name(response.operation.state).removeprefix("OPERATION_STATE_")


def main(address, order):
    with grpc.insecure_channel(address) as channel:  # one for the process; secure outside of an example
        payments = payment_service_pb2_grpc.PaymentServiceStub(channel)

        for when in ("first", "again"):
            response, said, _ = authorize(payments, f"{order}-paid", "tok_ok", 1000)
            replayed = said.get("acquit-idempotent-replayed") == "true"
            print(when, state_of(response), response.payment.payment_id, "replayed" if replayed else "new")

        # A decline is an answer, not an error.
        response, _, _ = authorize(payments, f"{order}-declined", "tok_decline_insufficient_funds", 1000)
        print("declined", state_of(response), response.operation.decline.code)

        # The provider's answer is lost: acquit says that it does not know yet, and the same key finds out.
        response, _, calls = authorize(payments, f"{order}-late", "tok_timeout", 1000)
        print("late", state_of(response), "repeated" if calls > 1 else "once")

        # A request that breaks a rule: the reason is for programs, the fields for people.
        try:
            authorize(payments, f"{order}-refused", "tok_ok", 0)
        except grpc.RpcError as refused:
            reasons = [d.reason for d in details(refused, error_details_pb2.ErrorInfo)]
            fields = [v.field for d in details(refused, error_details_pb2.BadRequest) for v in d.field_violations]
            print("refused", refused.code().name, *reasons, ",".join(fields))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: caller.py HOST:PORT ORDER")
    main(sys.argv[1], sys.argv[2])
