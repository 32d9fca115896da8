// A service that calls acquit: how a payment is asked for, so that it happens at
// most once and its answer is found, whatever breaks.
//
//   node dist/src/caller.js HOST:PORT ORDER
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type Operation, OperationState } from "../gen/acquit/v1/payment_pb.js";
import { AuthorizeRequestSchema, type AuthorizeResponse, PaymentService } from "../gen/acquit/v1/payment_service_pb.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";

const timeForOne = 3_000; // of one call, in ms: more than acquit needs, and short enough to notice what is dead
const timeForAll = 60_000; // of the intent

type Answer = { response: AuthorizeResponse; replayed: boolean; calls: number };

// authorize asks until the answer is stored. The key is made of the caller's own
// order, which is on record before the first call: so a caller that crashed comes
// back with the same key, and so does each repetition here.
async function authorize(payments: Client<typeof PaymentService>, order: string, token: string, minorUnits: bigint): Promise<Answer> {
  const request = create(AuthorizeRequestSchema, {
    merchantReference: order,
    amount: { minorUnits, currencyCode: "EUR" }, // 10.00 EUR are 1000n: never a float
    paymentMethod: { kind: { case: "tokenSet", value: { tokens: [{ account: "sandbox", token: { case: "storedId", value: token } }] } } },
  });
  const ends = Date.now() + timeForAll;
  for (let calls = 1, wait = 200; ; calls++, wait = Math.min(2 * wait, 5_000)) {
    let header = new Headers();
    let failure: ConnectError | undefined;
    try {
      const response = await payments.authorize(request, {
        headers: { "idempotency-key": `${order}/pay` },
        timeoutMs: Math.min(timeForOne, ends - Date.now()),
        onHeader: (h) => { header = h; },
      });
      if (header.get("acquit-should-retry") !== "true") {
        return { response, replayed: header.get("acquit-idempotent-replayed") === "true", calls };
      }
    } catch (err) {
      failure = ConnectError.from(err);
      if (!mayAskAgain(failure)) throw failure;
    }
    const pause = delay(failure) + wait * (0.5 + Math.random()); // jitter: who failed together must not return together
    if (Date.now() + pause >= ends) {
      throw new Error(`${order} is not decided yet; ask again later with the same key, never with a new one`, { cause: failure });
    }
    await sleep(pause);
  }
}

// mayAskAgain: acquit's own word decides, not the code. Where it said nothing the
// call ended on its way; what became of it is unknown, and the key makes asking safe.
function mayAskAgain(failure: ConnectError): boolean {
  const said = failure.metadata.get("acquit-should-retry");
  if (Number(failure.metadata.get("grpc-retry-pushback-ms") ?? 0) < 0) return false;
  return said !== null ? said === "true" : failure.code === Code.Unavailable || failure.code === Code.DeadlineExceeded;
}

// delay is how long acquit wants to be left alone, in ms.
function delay(failure?: ConnectError): number {
  const after = failure?.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return after ? Number(after.seconds) * 1_000 + after.nanos / 1e6 : 0;
}

const stateOf = (operation?: Operation) => OperationState[operation?.state ?? OperationState.UNSPECIFIED];

async function main(address: string, order: string): Promise<void> {
  const payments = createClient(PaymentService, createGrpcTransport({ baseUrl: `http://${address}` })); // one for the process; https outside of an example

  for (const time of ["first", "again"]) {
    const { response, replayed } = await authorize(payments, `${order}-paid`, "tok_ok", 1000n);
    console.log(time, stateOf(response.operation), response.payment?.paymentId, replayed ? "replayed" : "new");
  }

  // A decline is an answer, not an error.
  const declined = await authorize(payments, `${order}-declined`, "tok_decline_insufficient_funds", 1000n);
  console.log("declined", stateOf(declined.response.operation), declined.response.operation?.decline?.code);

  // The provider's answer is lost: acquit says that it does not know yet, and the same key finds out.
  const late = await authorize(payments, `${order}-late`, "tok_timeout", 1000n);
  console.log("late", stateOf(late.response.operation), late.calls > 1 ? "repeated" : "once");

  // A request that breaks a rule: the reason is for programs, the fields for people.
  try {
    await authorize(payments, `${order}-refused`, "tok_ok", 0n);
  } catch (err) {
    const refused = ConnectError.from(err);
    const fields = refused.findDetails(BadRequestSchema).flatMap((b) => b.fieldViolations.map((v) => v.field));
    console.log("refused", Code[refused.code], refused.findDetails(ErrorInfoSchema)[0]?.reason, fields.join(","));
  }
}

const [address, order] = process.argv.slice(2);
if (address === undefined || order === undefined) throw new Error("usage: caller.js HOST:PORT ORDER");
await main(address, order);
