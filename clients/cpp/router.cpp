// A reference router: it follows the caps and tells what may be done. The rule is docs/router.md; its
// clauses are cited as C1 to C8. Read Book first: it is the rule. Follower brings the records.
//
//   g++ -std=c++17 -O2 -o router router.cpp -lrdkafka++ -lrdkafka -pthread
//   ./router vectors schemas/conformance/*.jsonl       exit status 1 if one fails
//   ./router follow HOST:PORT TOPIC SESSION...         a line for each change
//
// Debian: librdkafka-dev, nlohmann-json3-dev.

#include <librdkafka/rdkafkacpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

using nlohmann::json;
using Clock = std::function<int64_t()>;  // nanoseconds

constexpr int64_t SECOND = 1'000'000'000;
constexpr int64_t GRANT_MAX = 600 * SECOND;  // C5
const std::set<std::string> STATES = {"HEALTHY",        "FAILOVER_DETECTED",  "STATE_DIVERGED",
                                      "REPLAY_SYNCING", "CONTROLLED_REENTRY", "STABLE"};

// What the router does on its own when it hears nothing valid. Both are 0 to 1.
struct SafeCap {
    double cap, participation_max;
};

// What may be done now. An empty why: the service's word; else why this is the safe cap.
struct View {
    double cap, participation_max, catchup_multiple_max;
    bool freeze_expansion;
    std::string state;  // empty with the safe cap
    int64_t epoch, sequence;
    std::string why;
};

// C1: what a router reads of a record.
struct Cap {
    std::string session;
    int64_t epoch, sequence;
    std::string state;
    double cap;
    std::optional<double> instrument_cap;
    std::map<std::string, double> symbols;
    double participation_max, catchup_multiple_max;
    bool freeze_expansion;
    std::string reason;
    std::optional<int64_t> publish_ns;
    int64_t valid_until_ns;
};

struct Unreadable {};  // C2

void require(bool holds) {
    if (!holds) throw Unreadable();
}

const json &field(const json &record, const char *name) {
    auto found = record.find(name);
    require(found != record.end());
    return *found;
}

bool absent(const json &record, const char *name) {
    return !record.contains(name) || record[name].is_null();
}

std::string text(const json &record, const char *name) {
    require(field(record, name).is_string());
    return field(record, name).get<std::string>();
}

bool flag(const json &record, const char *name) {
    require(field(record, name).is_boolean());
    return field(record, name).get<bool>();
}

// An integer without point and exponent, within 63 bits.
int64_t integer(const json &value, int64_t least) {
    require(value.is_number_integer());
    if (value.is_number_unsigned()) require(value.get<uint64_t>() <= uint64_t(INT64_MAX));
    require(value.get<int64_t>() >= least);
    return value.get<int64_t>();
}

double number(const json &value, double least, double most) {
    require(value.is_number());
    require(value.get<double>() >= least && value.get<double>() <= most);
    return value.get<double>();
}

std::map<std::string, double> symbols(const json &record) {
    std::map<std::string, double> caps;
    if (!record.contains("symbols")) return caps;
    require(record["symbols"].is_object());
    for (auto &[symbol, entry] : record["symbols"].items()) {
        require(entry.is_object());
        caps[symbol] = number(field(entry, "cap"), 0, 1);
    }
    return caps;
}

// C1 and C2: a record is read whole or not at all.
Cap read(const std::string &value) {
    json r;
    try {
        r = json::parse(value);
    } catch (const json::exception &) {  // no JSON, no UTF-8, or a number beyond a double
        throw Unreadable();
    }
    require(r.is_object());
    require(text(r, "type") == "cap");
    require(!r.contains("v") || integer(r["v"], 0) == 1);
    flag(r, "safe_mode");  // for people: every cap in the record is already that of the safe mode
    Cap cap{text(r, "session"),
            r.contains("epoch") ? integer(r["epoch"], 0) : 0,
            integer(field(r, "sequence"), 1),
            text(r, "state"),
            number(field(r, "cap"), 0, 1),
            {},
            symbols(r),
            number(field(r, "participation_max"), 0, 1),
            number(field(r, "catchup_multiple_max"), 1, std::numeric_limits<double>::max()),
            flag(r, "freeze_expansion"),
            text(r, "reason"),
            {},
            integer(field(r, "valid_until_ns"), 0)};
    require(!cap.session.empty() && cap.session.size() <= 256 * 4);  // bytes: UTF-8 has up to four
    auto is_first_byte = [](char c) { return (c & 0xC0) != 0x80; };
    require(std::count_if(cap.session.begin(), cap.session.end(), is_first_byte) <= 256);
    require(STATES.count(cap.state) == 1);
    if (!absent(r, "instrument_cap")) cap.instrument_cap = number(r["instrument_cap"], 0, 1);
    if (!absent(r, "publish_ns")) cap.publish_ns = integer(r["publish_ns"], 0);
    return cap;
}

// C7: a cap that came past its end, from which pace is measured.
struct Anchor {
    int64_t publish_ns, received_ns;
};

// C5: how long a cap counts from its receipt; clock says what is wrong with a clock, if so.
struct Life {
    int64_t life_ns = 0, grant_ns = 0;
    std::string clock;
    std::optional<Anchor> anchor;
};

// What is kept of a session; there is no cap after a tombstone. Never changed, only replaced.
struct Entry {
    std::optional<Cap> cap;
    int64_t epoch, sequence, received_ns;
    Life life;
};

// The rule. One thread offers records; any thread may ask for views.
class Book {
   public:
    std::atomic<bool> connected{true};  // C8: whoever brings the records says so
    std::atomic<int64_t> unreadable{0};

    Book(SafeCap safe, Clock wall_ns, Clock monotonic_ns)
        : safe_(safe), wall_ns_(wall_ns), monotonic_ns_(monotonic_ns) {}

    // A record without a value is a tombstone.
    void offer(const std::optional<std::string> &key, const std::optional<std::string> &value) {
        if (!value) {
            if (key) bury(*key);
            return;
        }
        try {
            keep(read(*value));
        } catch (const Unreadable &) {  // changes nothing
            unreadable++;
        }
    }

    // What may be done now; without a symbol, in the whole session. Never throws.
    View view(const std::string &session, const std::optional<std::string> &symbol) const {
        auto entry = find(session);
        if (!entry || !entry->cap) return own("never_heard");
        const Cap &cap = *entry->cap;
        int64_t lived = monotonic_ns_() - entry->received_ns;
        if (lived < entry->life.life_ns) {
            return {cap_of(cap, symbol), cap.participation_max, cap.catchup_multiple_max,
                    cap.freeze_expansion, cap.state, cap.epoch, cap.sequence, ""};
        }
        if (cap.reason == "closed") return own("closed");
        if (!entry->life.clock.empty() && lived < entry->life.grant_ns) {
            return own(entry->life.clock);
        }
        return own("expired");
    }

   private:
    using Kept = std::shared_ptr<const Entry>;

    // C3
    void keep(Cap cap) {
        auto known = find(cap.session);
        if (known && std::tie(cap.epoch, cap.sequence) <= std::tie(known->epoch, known->sequence)) {
            return;
        }
        int64_t now = monotonic_ns_();
        Life life = life_of(cap, now, known ? known->life.anchor : std::nullopt);
        std::string session = cap.session;
        int64_t epoch = cap.epoch, sequence = cap.sequence;
        put(session, Entry{std::move(cap), epoch, sequence, now, life});
    }

    // C4: the epoch stays, as a floor.
    void bury(const std::string &session) {
        if (auto known = find(session)) put(session, Entry{{}, known->epoch, 0, 0, {}});
    }

    // C5, and what C7 says of the clock.
    Life life_of(const Cap &cap, int64_t now, const std::optional<Anchor> &anchor) const {
        if (!cap.publish_ns || *cap.publish_ns >= cap.valid_until_ns) return {};
        int64_t published = *cap.publish_ns, wall = wall_ns_();
        int64_t grant = std::min(cap.valid_until_ns - published, GRANT_MAX);
        if (published - wall >= grant) return {0, grant, "clock_behind", {}};
        int64_t life = std::min(cap.valid_until_ns - wall, grant);
        if (life > 0) return {life, grant, "", {}};
        if (!anchor || published - anchor->publish_ns > 2 * (now - anchor->received_ns)) {
            return {0, grant, "", Anchor{published, now}};  // a rush
        }
        bool ahead = now - anchor->received_ns >= SECOND;
        return {0, grant, ahead ? "clock_ahead" : "", anchor};
    }

    // C6
    static double cap_of(const Cap &cap, const std::optional<std::string> &symbol) {
        if (!symbol) return cap.cap;
        auto own = cap.symbols.find(*symbol);
        return own != cap.symbols.end() ? own->second : cap.instrument_cap.value_or(cap.cap);
    }

    View own(const std::string &why) const {
        return {safe_.cap, safe_.participation_max, 1, true, "", 0, 0,
                connected ? why : "not_connected"};
    }

    Kept find(const std::string &session) const {
        std::shared_lock<std::shared_mutex> lock(mutex_);
        auto found = entries_.find(session);
        return found == entries_.end() ? nullptr : found->second;
    }

    void put(const std::string &session, Entry entry) {
        auto kept = std::make_shared<const Entry>(std::move(entry));
        std::unique_lock<std::shared_mutex> lock(mutex_);
        entries_[session] = kept;
    }

    SafeCap safe_;
    Clock wall_ns_, monotonic_ns_;
    mutable std::shared_mutex mutex_;
    std::map<std::string, Kept> entries_;
};

// Brings the records of a topic to a book, for ever. Runs in a thread of its own.
class Follower {
   public:
    Follower(std::string servers, std::string topic, Book &book)
        : servers_(servers), topic_(topic), book_(book) {
        book_.connected = false;
    }

    [[noreturn]] void run() {
        while (true) {
            std::string trouble = follow();
            book_.connected = false;
            std::cerr << "not connected: " << trouble << std::endl;
            std::this_thread::sleep_for(std::chrono::seconds(1));
        }
    }

   private:
    using Milliseconds = std::chrono::milliseconds;
    static constexpr int CONNECT_MS = 5'000, ANSWER_MS = 2'000, LOOKBACK_MS = 10'000;

    // Connects and reads; returns when there is trouble, and says which.
    std::string follow() {
        std::string trouble;
        std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
        for (auto &[name, value] : std::map<std::string, std::string>{
                 {"bootstrap.servers", servers_},
                 {"reconnect.backoff.max.ms", "1000"},
                 {"fetch.wait.max.ms", "100"},  // the question of C8 waits behind a fetch
                 {"log_level", "0"},
                 {"allow.auto.create.topics", "false"}}) {
            if (conf->set(name, value, trouble) != RdKafka::Conf::CONF_OK) return trouble;
        }
        // The consumer without a group: every router process sees every cap.
        std::unique_ptr<RdKafka::Consumer> consumer(RdKafka::Consumer::create(conf.get(), trouble));
        if (!consumer) return trouble;
        std::unique_ptr<RdKafka::Topic> topic(
            RdKafka::Topic::create(consumer.get(), topic_, nullptr, trouble));
        if (!topic) return trouble;
        std::unique_ptr<RdKafka::Queue> queue(RdKafka::Queue::create(consumer.get()));
        int partitions = count(*consumer, *topic, trouble);
        if (partitions > 0) {
            trouble = start(*consumer, *topic, *queue, partitions);
            if (trouble.empty()) trouble = read(*consumer, *topic, *queue, partitions);
            book_.connected = false;  // stopping may take a while
            for (int p = 0; p < partitions; p++) consumer->stop(topic.get(), p);
        }
        return trouble;
    }

    int count(RdKafka::Consumer &consumer, RdKafka::Topic &topic, std::string &trouble) {
        RdKafka::Metadata *found = nullptr;
        auto error = consumer.metadata(false, &topic, &found, CONNECT_MS);
        std::unique_ptr<RdKafka::Metadata> metadata(found);
        if (error == RdKafka::ERR_NO_ERROR) error = metadata->topics()->at(0)->err();
        if (error != RdKafka::ERR_NO_ERROR) {
            trouble = topic_ + ": " + RdKafka::err2str(error);
            return 0;
        }
        return int(metadata->topics()->at(0)->partitions()->size());
    }

    // Where to start reading: ten seconds back, or at the end.
    std::string start(RdKafka::Consumer &consumer, RdKafka::Topic &topic, RdKafka::Queue &queue,
                      int partitions) {
        auto now = std::chrono::duration_cast<Milliseconds>(
            std::chrono::system_clock::now().time_since_epoch());
        std::vector<int64_t> found;
        auto error = offsets(consumer, partitions, now.count() - LOOKBACK_MS, CONNECT_MS, found);
        for (int p = 0; p < partitions && error == RdKafka::ERR_NO_ERROR; p++) {
            int64_t offset = found[p] < 0 ? RdKafka::Topic::OFFSET_END : found[p];
            error = consumer.start(&topic, p, offset, &queue);
        }
        book_.connected = error == RdKafka::ERR_NO_ERROR;
        return error == RdKafka::ERR_NO_ERROR ? "" : RdKafka::err2str(error);
    }

    std::string read(RdKafka::Consumer &consumer, RdKafka::Topic &topic, RdKafka::Queue &queue,
                     int partitions) {
        auto asked = std::chrono::steady_clock::now(), looked = asked;
        while (true) {
            std::unique_ptr<RdKafka::Message> message(consumer.consume(&queue, 100));
            if (message->err() == RdKafka::ERR_NO_ERROR) {
                take(*message);
            } else if (message->err() == RdKafka::ERR_TOPIC_AUTHORIZATION_FAILED ||
                       message->err() == RdKafka::ERR__UNKNOWN_PARTITION) {
                return message->errstr();
            }
            auto now = std::chrono::steady_clock::now();
            if (now - asked >= std::chrono::seconds(1)) {
                std::vector<int64_t> ends;
                auto error = offsets(consumer, partitions, RdKafka::Topic::OFFSET_END, ANSWER_MS, ends);
                if (error != RdKafka::ERR_NO_ERROR) return "no answer: " + RdKafka::err2str(error);
                asked = std::chrono::steady_clock::now();
            }
            if (now - looked >= std::chrono::seconds(30)) {
                std::string trouble;
                if (count(consumer, topic, trouble) != partitions) return "the partitions changed";
                looked = now;
            }
        }
    }

    void take(RdKafka::Message &message) {
        std::optional<std::string> key, value;
        if (message.key_pointer()) {
            key.emplace(static_cast<const char *>(message.key_pointer()), message.key_len());
        }
        if (message.payload()) {
            value.emplace(static_cast<const char *>(message.payload()), message.len());
        }
        book_.offer(key, value);
    }

    // The offsets of some time, or the ends, of all partitions; an error if there is no answer.
    RdKafka::ErrorCode offsets(RdKafka::Consumer &consumer, int partitions, int64_t time_ms,
                               int timeout_ms, std::vector<int64_t> &found) {
        std::vector<std::unique_ptr<RdKafka::TopicPartition>> owned;
        std::vector<RdKafka::TopicPartition *> places;
        for (int p = 0; p < partitions; p++) {
            owned.emplace_back(RdKafka::TopicPartition::create(topic_, p, time_ms));
            places.push_back(owned.back().get());
        }
        auto error = consumer.offsetsForTimes(places, timeout_ms);
        for (auto place : places) {
            if (error == RdKafka::ERR_NO_ERROR) error = place->err();
            found.push_back(place->offset());
        }
        return error;
    }

    std::string servers_, topic_;
    Book &book_;
};

int64_t wall_clock() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

int64_t monotonic_clock() {  // counts while the machine is suspended, too
    timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return int64_t(now.tv_sec) * SECOND + now.tv_nsec;
}

// What a router does all day, but for the trading: look the views up; here, tell their changes.
[[noreturn]] void follow(std::string servers, std::string topic, std::vector<std::string> sessions) {
    static Book book({0.05, 0.02}, wall_clock, monotonic_clock);
    static Follower follower(servers, topic, book);
    std::thread([] { follower.run(); }).detach();
    std::map<std::string, std::string> told;
    while (true) {
        for (auto &session : sessions) {
            View view = book.view(session, std::nullopt);
            json line = {{"session", session}, {"cap", view.cap}, {"epoch", view.epoch},
                         {"sequence", view.sequence}, {"why", nullptr}};
            if (!view.why.empty()) line["why"] = view.why;
            if (told[session] != line.dump()) std::cout << (told[session] = line.dump()) << std::endl;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

// The conformance vectors (docs/router.md, part 2).

std::string from_base64(const std::string &coded) {
    const std::string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    uint32_t bits = 0;
    int count = 0;
    for (char letter : coded) {
        if (letter == '=') break;
        bits = bits << 6 | uint32_t(letters.find(letter));
        count += 6;
        if (count >= 8) bytes.push_back(char(bits >> (count -= 8) & 0xFF));
    }
    return bytes;
}

bool same(const std::string &name, const json &expected, const View &view) {
    auto is_text = [&](const std::string &value) {
        return value.empty() ? expected.is_null() : expected == value;
    };
    if (name == "cap") return expected == view.cap;
    if (name == "participation_max") return expected == view.participation_max;
    if (name == "catchup_multiple_max") return expected == view.catchup_multiple_max;
    if (name == "freeze_expansion") return expected == view.freeze_expansion;
    if (name == "state") return is_text(view.state);
    if (name == "epoch") return expected == view.epoch;
    if (name == "sequence") return expected == view.sequence;
    if (name == "why") return is_text(view.why);
    return name == "session" || name == "symbol";
}

bool vectors(const std::vector<std::string> &files) {
    int steps = 0, failed = 0;
    for (auto &file : files) {
        std::ifstream lines(file);
        std::string line, vector;
        int64_t wall_ns = 0, monotonic_ns = 0;
        std::unique_ptr<Book> book;
        while (std::getline(lines, line)) {
            json step = json::parse(line);
            if (!book || step["vector"] != vector) {
                vector = step["vector"];
                book = std::make_unique<Book>(SafeCap{0.05, 0.02}, [&] { return wall_ns; },
                                              [&] { return monotonic_ns; });
            }
            wall_ns = step["wall_ns"];
            monotonic_ns = step["monotonic_ns"];
            if (step.contains("connected")) book->connected = step["connected"].get<bool>();
            std::optional<std::string> key, value;
            if (step.contains("key")) key = step["key"].get<std::string>();
            if (step.contains("raw")) value = step["raw"].get<std::string>();
            if (step.contains("raw_base64")) value = from_base64(step["raw_base64"]);
            if (step.contains("record") && !step["record"].is_null()) value = step["record"].dump();
            if (value || step.contains("record")) book->offer(key, value);
            steps++;
            for (auto &expected : step["expect"]) {
                std::optional<std::string> symbol;
                if (expected.contains("symbol")) symbol = expected["symbol"].get<std::string>();
                View view = book->view(expected["session"], symbol);
                for (auto &[name, wanted] : expected.items()) {
                    if (!same(name, wanted, view)) {
                        std::cout << file << " " << vector << ": expected " << expected << ", " << name
                                  << " is another; cap " << view.cap << ", why " << view.why << "\n";
                        failed++;
                    }
                }
            }
        }
    }
    std::cout << steps << " steps, " << failed << " failed" << std::endl;
    return failed == 0 && steps > 0;
}

int main(int count, char **words) {
    std::vector<std::string> arguments(words + 1, words + count);
    if (arguments.size() > 1 && arguments[0] == "vectors") {
        return vectors({arguments.begin() + 1, arguments.end()}) ? 0 : 1;
    }
    if (arguments.size() > 2 && arguments[0] == "follow") {
        follow(arguments[1], arguments[2], {arguments.begin() + 3, arguments.end()});
    }
    std::cerr << "router vectors FILE... | router follow HOST:PORT TOPIC SESSION..." << std::endl;
    return 2;
}
