// A reference router: it follows the caps and tells what may be done. The rule is docs/router.md; its
// clauses are cited as C1 to C8. Read Book first: it is the rule. Follower brings the records.
//
//   javac -cp 'JARS/*' -d OUT Router.java
//   java -cp 'JARS/*:OUT' Router vectors schemas/conformance/*.jsonl     exit status 1 if one fails
//   java -cp 'JARS/*:OUT' Router follow HOST:PORT TOPIC SESSION...       a line for each change

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public final class Router {
    static final long SECOND = 1_000_000_000L;
    static final long GRANT_MAX = 600 * SECOND; // C5
    static final Set<String> STATES = Set.of("HEALTHY", "FAILOVER_DETECTED", "STATE_DIVERGED",
            "REPLAY_SYNCING", "CONTROLLED_REENTRY", "STABLE");
    static final ObjectMapper JSON = new ObjectMapper()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    /** What the router does on its own when it hears nothing valid. Both are 0 to 1. */
    record SafeCap(double cap, double participationMax) {}

    /** What may be done now; why is null for the service's word, else it says why this is the safe cap. */
    record View(double cap, double participationMax, double catchupMultipleMax,
            boolean freezeExpansion, String state, long epoch, long sequence, String why) {}

    /** C1: what a router reads of a record. */
    record Cap(String session, long epoch, long sequence, String state, double cap,
            Double instrumentCap, Map<String, Double> symbols, double participationMax,
            double catchupMultipleMax, boolean freezeExpansion, String reason,
            Long publishNs, long validUntilNs) {}

    /** C2. */
    @SuppressWarnings("serial")
    static final class Unreadable extends Exception {}

    /** C1 and C2: a record is read whole or not at all. */
    static final class Reader {
        static Cap read(byte[] value) throws Unreadable {
            JsonNode r;
            try {
                r = JSON.readTree(value);
            } catch (IOException notJson) {
                throw new Unreadable();
            }
            require(r != null && r.isObject());
            require(text(r, "type").equals("cap"));
            require(!r.has("v") || integer(r.get("v"), 0) == 1);
            String session = text(r, "session");
            require(!session.isEmpty() && session.codePointCount(0, session.length()) <= 256);
            require(STATES.contains(text(r, "state")));
            flag(r, "safe_mode"); // for people: every cap in the record is already that of the safe mode
            return new Cap(session,
                    r.has("epoch") ? integer(r.get("epoch"), 0) : 0,
                    integer(r.get("sequence"), 1),
                    text(r, "state"),
                    number(r.get("cap"), 0, 1),
                    absent(r, "instrument_cap") ? null : number(r.get("instrument_cap"), 0, 1),
                    symbols(r),
                    number(r.get("participation_max"), 0, 1),
                    number(r.get("catchup_multiple_max"), 1, Double.MAX_VALUE),
                    flag(r, "freeze_expansion"),
                    text(r, "reason"),
                    absent(r, "publish_ns") ? null : integer(r.get("publish_ns"), 0),
                    integer(r.get("valid_until_ns"), 0));
        }

        static Map<String, Double> symbols(JsonNode r) throws Unreadable {
            Map<String, Double> caps = new HashMap<>();
            if (r.has("symbols")) {
                require(r.get("symbols").isObject());
                for (Map.Entry<String, JsonNode> entry : r.get("symbols").properties()) {
                    caps.put(entry.getKey(), number(entry.getValue().get("cap"), 0, 1));
                }
            }
            return caps;
        }

        static boolean absent(JsonNode r, String name) {
            return !r.hasNonNull(name);
        }

        static void require(boolean holds) throws Unreadable {
            if (!holds) throw new Unreadable();
        }

        static String text(JsonNode r, String name) throws Unreadable {
            require(r.has(name) && r.get(name).isTextual());
            return r.get(name).textValue();
        }

        static boolean flag(JsonNode r, String name) throws Unreadable {
            require(r.has(name) && r.get(name).isBoolean());
            return r.get(name).booleanValue();
        }

        static long integer(JsonNode node, long least) throws Unreadable {
            require(node != null && node.isIntegralNumber() && node.canConvertToLong());
            require(node.longValue() >= least);
            return node.longValue();
        }

        static double number(JsonNode node, double least, double most) throws Unreadable {
            require(node != null && node.isNumber());
            double value = node.doubleValue(); // infinite if it is too large for a double
            require(value >= least && value <= most);
            return value;
        }
    }

    /** C7: a cap that came past its end, from which pace is measured. */
    record Anchor(long publishNs, long receivedNs) {}

    /** C5: how long a cap counts from its receipt; clock says what is wrong with a clock, if so. */
    record Life(long lifeNs, long grantNs, String clock, Anchor anchor) {
        static final Life NONE = new Life(0, 0, null, null);
    }

    /** What is kept of a session; cap is null after a tombstone. Never changed, only replaced. */
    record Entry(Cap cap, long epoch, long sequence, long receivedNs, Life life) {}

    /** The rule. One thread offers records; any thread may ask for views. */
    static final class Book {
        volatile boolean connected = true; // C8: whoever brings the records says so
        volatile long unreadable = 0;
        private final Map<String, Entry> entries = new ConcurrentHashMap<>();
        private final SafeCap safe;
        private final LongSupplier wallNs;
        private final LongSupplier monotonicNs;

        Book(SafeCap safe, LongSupplier wallNs, LongSupplier monotonicNs) {
            this.safe = safe;
            this.wallNs = wallNs;
            this.monotonicNs = monotonicNs;
        }

        void offer(byte[] key, byte[] value) {
            if (value == null) {
                bury(key);
                return;
            }
            try {
                keep(Reader.read(value));
            } catch (Unreadable changesNothing) {
                unreadable++;
            }
        }

        /** C3. */
        private void keep(Cap cap) {
            Entry known = entries.get(cap.session());
            if (known != null && (cap.epoch() < known.epoch()
                    || cap.epoch() == known.epoch() && cap.sequence() <= known.sequence())) {
                return;
            }
            long nowNs = monotonicNs.getAsLong();
            Life life = life(cap, nowNs, known == null ? null : known.life().anchor());
            entries.put(cap.session(), new Entry(cap, cap.epoch(), cap.sequence(), nowNs, life));
        }

        /** C4: the epoch stays, as a floor. */
        private void bury(byte[] key) {
            if (key == null) return;
            entries.computeIfPresent(new String(key, StandardCharsets.UTF_8),
                    (session, known) -> new Entry(null, known.epoch(), 0, 0, Life.NONE));
        }

        /** C5, and what C7 says of the clock. */
        private Life life(Cap cap, long nowNs, Anchor anchor) {
            if (cap.publishNs() == null || cap.publishNs() >= cap.validUntilNs()) return Life.NONE;
            long grantNs = Math.min(cap.validUntilNs() - cap.publishNs(), GRANT_MAX);
            long wall = wallNs.getAsLong();
            if (cap.publishNs() - wall >= grantNs) return new Life(0, grantNs, "clock_behind", null);
            long lifeNs = Math.min(cap.validUntilNs() - wall, grantNs);
            if (lifeNs > 0) return new Life(lifeNs, grantNs, null, null);
            if (anchor == null
                    || cap.publishNs() - anchor.publishNs() > 2 * (nowNs - anchor.receivedNs())) {
                return new Life(0, grantNs, null, new Anchor(cap.publishNs(), nowNs)); // a rush
            }
            boolean ahead = nowNs - anchor.receivedNs() >= SECOND;
            return new Life(0, grantNs, ahead ? "clock_ahead" : null, anchor);
        }

        /** What may be done now; symbol is null for the whole session. Never blocks, never throws. */
        View view(String session, String symbol) {
            Entry entry = entries.get(session);
            if (entry == null || entry.cap() == null) return own("never_heard");
            Cap cap = entry.cap();
            long lived = monotonicNs.getAsLong() - entry.receivedNs();
            if (lived < entry.life().lifeNs()) {
                return new View(capOf(cap, symbol), cap.participationMax(),
                        cap.catchupMultipleMax(), cap.freezeExpansion(), cap.state(), cap.epoch(),
                        cap.sequence(), null);
            }
            if (cap.reason().equals("closed")) return own("closed");
            if (entry.life().clock() != null && lived < entry.life().grantNs()) {
                return own(entry.life().clock());
            }
            return own("expired");
        }

        /** C6. */
        private static double capOf(Cap cap, String symbol) {
            if (symbol == null) return cap.cap();
            Double own = cap.symbols().get(symbol);
            if (own != null) return own;
            return cap.instrumentCap() != null ? cap.instrumentCap() : cap.cap();
        }

        private View own(String why) {
            return new View(safe.cap(), safe.participationMax(), 1, true, null, 0, 0,
                    connected ? why : "not_connected");
        }
    }

    /** Brings the records of a topic to a book, for ever. Runs in a thread of its own. */
    static final class Follower implements Runnable {
        static final Duration CONNECT = Duration.ofSeconds(5);
        static final Duration ANSWER = Duration.ofSeconds(2); // C8
        static final long LOOKBACK_MS = 10_000;
        private final String servers;
        private final String topic;
        private final Book book;

        Follower(String servers, String topic, Book book) {
            this.servers = servers;
            this.topic = topic;
            this.book = book;
            book.connected = false;
        }

        @Override public void run() {
            while (!Thread.currentThread().isInterrupted()) {
                KafkaConsumer<byte[], byte[]> consumer = null;
                try {
                    consumer = new KafkaConsumer<>(settings());
                    follow(consumer);
                } catch (Exception trouble) { // a router must outlive everything in here
                    System.err.println("not connected: " + trouble);
                } finally {
                    book.connected = false;
                    if (consumer != null) consumer.close(CloseOptions.timeout(Duration.ZERO));
                }
                try {
                    Thread.sleep(1_000);
                } catch (InterruptedException end) {
                    return;
                }
            }
        }

        private void follow(KafkaConsumer<byte[], byte[]> consumer) {
            Set<TopicPartition> partitions = partitions(consumer);
            consumer.assign(partitions);
            seek(consumer, partitions);
            book.connected = true;
            long asked = System.nanoTime();
            long looked = asked;
            while (true) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    book.offer(record.key(), record.value());
                }
                long now = System.nanoTime();
                if (now - asked >= SECOND) {
                    consumer.endOffsets(partitions, ANSWER); // throws if there is no answer (C8)
                    asked = System.nanoTime();
                }
                if (now - looked >= 30 * SECOND) {
                    if (!partitions(consumer).equals(partitions)) {
                        throw new IllegalStateException("the partitions changed: connecting anew");
                    }
                    looked = now;
                }
            }
        }

        private Set<TopicPartition> partitions(KafkaConsumer<byte[], byte[]> consumer) {
            Set<TopicPartition> found = new HashSet<>();
            var known = consumer.partitionsFor(topic, CONNECT);
            if (known == null || known.isEmpty()) throw new IllegalStateException("no topic " + topic);
            known.forEach(one -> found.add(new TopicPartition(topic, one.partition())));
            return found;
        }

        /** Where to start reading: ten seconds back, or at the end. */
        private void seek(KafkaConsumer<byte[], byte[]> consumer, Set<TopicPartition> partitions) {
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions, CONNECT);
            Map<TopicPartition, Long> times = new HashMap<>();
            long begin = System.currentTimeMillis() - LOOKBACK_MS;
            partitions.forEach(partition -> times.put(partition, begin));
            Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(times, CONNECT);
            for (TopicPartition partition : partitions) {
                OffsetAndTimestamp there = found.get(partition);
                consumer.seek(partition, there == null ? ends.get(partition) : there.offset());
            }
        }

        private Properties settings() {
            Properties settings = new Properties();
            settings.put("bootstrap.servers", servers);
            settings.put("key.deserializer", ByteArrayDeserializer.class.getName());
            settings.put("value.deserializer", ByteArrayDeserializer.class.getName());
            settings.put("enable.auto.commit", "false"); // and no group.id: every router sees all
            settings.put("auto.offset.reset", "latest");
            settings.put("reconnect.backoff.max.ms", "1000");
            settings.put("allow.auto.create.topics", "false");
            return settings;
        }
    }

    public static void main(String[] arguments) throws Exception {
        List<String> rest = Arrays.asList(arguments).subList(1, arguments.length);
        if (arguments[0].equals("vectors")) System.exit(Vectors.run(rest) ? 0 : 1);
        if (arguments[0].equals("follow")) follow(rest.get(0), rest.get(1), rest.subList(2, rest.size()));
    }

    /** What a router does all day, but for the trading: look the views up; here, tell their changes. */
    static void follow(String servers, String topic, List<String> sessions) throws Exception {
        Book book = new Book(new SafeCap(0.05, 0.02),
                () -> System.currentTimeMillis() * 1_000_000L, System::nanoTime);
        Thread thread = new Thread(new Follower(servers, topic, book), "caps");
        thread.setDaemon(true);
        thread.start();
        Map<String, View> told = new HashMap<>();
        while (true) {
            for (String session : sessions) {
                View view = book.view(session, null);
                if (!view.equals(told.put(session, view))) {
                    var line = JSON.createObjectNode().put("session", session).put("cap", view.cap())
                            .put("why", view.why()).put("epoch", view.epoch())
                            .put("sequence", view.sequence());
                    System.out.println(line);
                }
            }
            Thread.sleep(10);
        }
    }

    /** The conformance vectors (docs/router.md, part 2). */
    static final class Vectors {
        static long wallNs;
        static long monotonicNs;

        static boolean run(List<String> files) throws IOException {
            int steps = 0;
            int failed = 0;
            for (String file : files) {
                String name = null;
                Book book = null;
                for (String line : Files.readAllLines(Path.of(file))) {
                    JsonNode step = JSON.readTree(line);
                    if (!step.get("vector").textValue().equals(name)) {
                        name = step.get("vector").textValue();
                        book = new Book(new SafeCap(0.05, 0.02), () -> wallNs, () -> monotonicNs);
                    }
                    steps++;
                    failed += take(book, step, file + " " + name);
                }
            }
            System.out.println(steps + " steps, " + failed + " failed");
            return failed == 0 && steps > 0;
        }

        static int take(Book book, JsonNode step, String place) throws IOException {
            wallNs = step.get("wall_ns").longValue();
            monotonicNs = step.get("monotonic_ns").longValue();
            if (step.has("connected")) book.connected = step.get("connected").booleanValue();
            byte[] key = step.has("key")
                    ? step.get("key").textValue().getBytes(StandardCharsets.UTF_8) : null;
            if (step.has("raw")) {
                book.offer(key, step.get("raw").textValue().getBytes(StandardCharsets.UTF_8));
            } else if (step.has("raw_base64")) {
                book.offer(key, step.get("raw_base64").binaryValue());
            } else if (step.has("record")) {
                JsonNode record = step.get("record");
                book.offer(key, record.isNull() ? null : JSON.writeValueAsBytes(record));
            }
            int failed = 0;
            for (JsonNode expected : step.get("expect")) {
                String symbol = expected.has("symbol") ? expected.get("symbol").textValue() : null;
                View view = book.view(expected.get("session").textValue(), symbol);
                for (Map.Entry<String, JsonNode> field : expected.properties()) {
                    if (!same(field.getKey(), field.getValue(), view)) {
                        System.out.println(place + ": expected " + expected + ", got " + view);
                        failed = 1;
                    }
                }
            }
            return failed;
        }

        static boolean same(String field, JsonNode expected, View view) {
            return switch (field) {
                case "cap" -> expected.doubleValue() == view.cap();
                case "participation_max" -> expected.doubleValue() == view.participationMax();
                case "catchup_multiple_max" -> expected.doubleValue() == view.catchupMultipleMax();
                case "freeze_expansion" -> expected.booleanValue() == view.freezeExpansion();
                case "state" -> Objects.equals(expected.textValue(), view.state());
                case "epoch" -> expected.longValue() == view.epoch();
                case "sequence" -> expected.longValue() == view.sequence();
                case "why" -> Objects.equals(expected.textValue(), view.why());
                case "session", "symbol" -> true;
                default -> false;
            };
        }
    }
}
