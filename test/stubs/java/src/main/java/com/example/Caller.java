package com.example;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.acquit.v1.AccountToken;
import dev.acquit.v1.AuthorizeRequest;
import dev.acquit.v1.AuthorizeResponse;
import dev.acquit.v1.Money;
import dev.acquit.v1.PaymentMethod;
import dev.acquit.v1.PaymentServiceGrpc;
import dev.acquit.v1.TokenSet;
import io.grpc.Channel;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A service that calls acquit: how a payment is asked for, so that it happens at most once and its answer is found,
 * whatever breaks. Arguments: HOST:PORT ORDER.
 */
public final class Caller {
  /** Time of one call: more than acquit needs, and short enough to notice what is dead. */
  private static final Duration TIME_FOR_ONE = Duration.ofSeconds(3);

  /** Time of the intent. */
  private static final Duration TIME_FOR_ALL = Duration.ofSeconds(60);

  private static final Metadata.Key<String> KEY = key("idempotency-key");
  private static final Metadata.Key<String> SHOULD_RETRY = key("acquit-should-retry");
  private static final Metadata.Key<String> REPLAYED = key("acquit-idempotent-replayed");
  private static final Metadata.Key<String> PUSHBACK = key("grpc-retry-pushback-ms");

  private final Channel channel;

  private Caller(Channel channel) {
    this.channel = channel;
  }

  /** An answer that is stored: the same key brings it again, byte for byte. */
  private record Answer(AuthorizeResponse response, boolean replayed, int calls) {}

  /** The outcome is not known in time: ask again later with the same key, never with a new one. */
  private static final class UndecidedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    UndecidedException(String order) {
      super(order);
    }
  }

  /**
   * Asks until the answer is stored. The key is made of the caller's own order, which is on record before the first
   * call: so a caller that crashed comes back with the same key, and so does each repetition here.
   */
  private Answer authorize(String order, String token, long minorUnits) throws InterruptedException {
    AuthorizeRequest request =
        AuthorizeRequest.newBuilder()
            .setMerchantReference(order)
            .setAmount(Money.newBuilder().setMinorUnits(minorUnits).setCurrencyCode("EUR")) // 10.00 EUR are 1000
            .setPaymentMethod(
                PaymentMethod.newBuilder()
                    .setTokenSet(
                        TokenSet.newBuilder()
                            .addTokens(AccountToken.newBuilder().setAccount("sandbox").setStoredId(token))))
            .build();
    Metadata sent = new Metadata();
    sent.put(KEY, order + "/pay");
    Instant ends = Instant.now().plus(TIME_FOR_ALL);
    long wait = 200;
    for (int calls = 1; ; calls++) {
      AtomicReference<Metadata> header = new AtomicReference<>();
      AtomicReference<Metadata> trailer = new AtomicReference<>();
      long after = 0;
      try {
        AuthorizeResponse response =
            PaymentServiceGrpc.newBlockingStub(channel)
                .withInterceptors(
                    MetadataUtils.newAttachHeadersInterceptor(sent),
                    MetadataUtils.newCaptureMetadataInterceptor(header, trailer))
                .withDeadlineAfter(shorter(TIME_FOR_ONE, Duration.between(Instant.now(), ends)).toMillis(), TimeUnit.MILLISECONDS)
                .authorize(request);
        if (!"true".equals(said(SHOULD_RETRY, header.get(), trailer.get()))) {
          return new Answer(response, "true".equals(said(REPLAYED, header.get(), trailer.get())), calls);
        }
      } catch (StatusRuntimeException failure) {
        if (!mayAskAgain(failure, header.get(), trailer.get())) {
          throw failure;
        }
        after = delay(failure);
      }
      // Jitter: who failed together must not return together.
      long pause = after + ThreadLocalRandom.current().nextLong(wait / 2, 3 * wait / 2);
      if (Instant.now().plusMillis(pause).isAfter(ends)) {
        throw new UndecidedException(order);
      }
      Thread.sleep(pause);
      wait = Math.min(2 * wait, 5_000);
    }
  }

  /**
   * Acquit's own word decides, not the code. Where it said nothing the call ended on its way; what became of it is
   * unknown, and the key makes asking safe.
   */
  private static boolean mayAskAgain(StatusRuntimeException failure, Metadata header, Metadata trailer) {
    String pushback = said(PUSHBACK, header, trailer);
    if (pushback != null && pushback.startsWith("-")) {
      return false;
    }
    String said = said(SHOULD_RETRY, header, trailer);
    if (said != null) {
      return said.equals("true");
    }
    Status.Code code = failure.getStatus().getCode();
    return code == Status.Code.UNAVAILABLE || code == Status.Code.DEADLINE_EXCEEDED;
  }

  /** How long acquit wants to be left alone, in milliseconds. */
  private static long delay(StatusRuntimeException failure) {
    return details(failure, RetryInfo.class).stream()
        .mapToLong(d -> d.getRetryDelay().getSeconds() * 1_000 + d.getRetryDelay().getNanos() / 1_000_000)
        .max()
        .orElse(0);
  }

  /** The details of a kind that the error carries. */
  private static <M extends Message> List<M> details(StatusRuntimeException failure, Class<M> kind) {
    List<M> found = new ArrayList<>();
    com.google.rpc.Status status = StatusProto.fromThrowable(failure);
    if (status == null) {
      return found;
    }
    for (Any detail : status.getDetailsList()) {
      if (detail.is(kind)) {
        try {
          found.add(detail.unpack(kind));
        } catch (InvalidProtocolBufferException e) {
          throw new IllegalStateException("a detail that cannot be read", e);
        }
      }
    }
    return found;
  }

  /** What the response's metadata says, wherever it stood. */
  private static String said(Metadata.Key<String> key, Metadata... places) {
    for (Metadata place : places) {
      if (place != null && place.containsKey(key)) {
        return place.get(key);
      }
    }
    return null;
  }

  private static Duration shorter(Duration a, Duration b) {
    return a.compareTo(b) < 0 ? a : b;
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }

  private static String stateOf(Answer answer) {
    return answer.response().getOperation().getState().name().replace("OPERATION_STATE_", "");
  }

  private void run(String order) throws InterruptedException {
    for (String time : List.of("first", "again")) {
      Answer paid = authorize(order + "-paid", "tok_ok", 1000);
      System.out.println(
          String.join(" ", time, stateOf(paid), paid.response().getPayment().getPaymentId(), paid.replayed() ? "replayed" : "new"));
    }

    // A decline is an answer, not an error.
    Answer declined = authorize(order + "-declined", "tok_decline_insufficient_funds", 1000);
    System.out.println("declined " + stateOf(declined) + " " + declined.response().getOperation().getDecline().getCode());

    // The provider's answer is lost: acquit says that it does not know yet, and the same key finds out.
    Answer late = authorize(order + "-late", "tok_timeout", 1000);
    System.out.println("late " + stateOf(late) + " " + (late.calls() > 1 ? "repeated" : "once"));

    // A request that breaks a rule: the reason is for programs, the fields for people.
    try {
      authorize(order + "-refused", "tok_ok", 0);
    } catch (StatusRuntimeException refused) {
      String reason = details(refused, ErrorInfo.class).get(0).getReason();
      String field = details(refused, BadRequest.class).get(0).getFieldViolations(0).getField();
      System.out.println("refused " + refused.getStatus().getCode() + " " + reason + " " + field);
    }
  }

  /** Runs the example. */
  public static void main(String[] args) throws InterruptedException {
    if (args.length != 2) {
      throw new IllegalArgumentException("arguments: HOST:PORT ORDER");
    }
    // One channel for the process; TLS outside of an example.
    ManagedChannel channel = Grpc.newChannelBuilder(args[0], InsecureChannelCredentials.create()).build();
    try {
      new Caller(channel).run(args[1]);
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
  }
}
