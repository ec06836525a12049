/* An open-loop HTTP generator: requests are due at fixed times whatever the server does, and a request's latency counts
 * from when it was due, not from when a connection was free to send it. So a server that stalls for a second is charged
 * for every request that was due in that second (wrk, closed-loop, would just send fewer: "coordinated omission").
 * It sends and reads once a tick: whoever wakes for each request and each answer takes three times the processor, on the
 * machine of the server under test. So a latency includes up to half a millisecond until its request is sent, and up to
 * as much until its answer is seen; and at more than 2,000 a second requests come in bunches, as many as are due in a tick,
 * which costs the server less than one at a time.
 *
 * usage: openloop <port> <plan> <first counter> <requests a second> <seconds> <connections> <warm-up seconds>
 *
 * The plan is a file: request target, credential header, then bodies, one a line in three parts with tabs between them;
 * a counter of 12 digits and the time (20 characters) go between the parts. Writes one line of JSON to stdout.
 * One thread, epoll, loopback only. Requests of the warm-up are sent and checked, but not in the percentiles.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { COUNTER = 12, SECOND = 20, REQUEST = 4096, ANSWER = 4096, PATIENCE = 30 };
#define TICK INT64_C(500000) /* ns */

struct template {
    char *text;    /* head and body, as sent */
    size_t length; /* of it */
    size_t counter_at, second_at;
};

struct connection {
    int socket;
    bool busy;
    int64_t due, began; /* ns; of the request in flight */
    size_t index;       /* its place in `latencies` */
    char out[REQUEST];
    size_t out_length, out_sent;
    char in[ANSWER];
    size_t in_length;
};

static struct template *templates;
static size_t template_count;
static struct connection *connections;
static int *idle; /* a stack of free connections */
static int idle_count, poller;
static uint32_t *latencies, *services; /* microseconds, by request; UINT32_MAX: none */
static uint64_t accepted, not_2xx, not_accepted;
static uint64_t counter;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "openloop: ");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL) fail("no memory");
    return memory;
}

/* ── The plan ─────────────────────────────────────────────────────────────────────────────────────────────────── */

static void add_template(char *line, const char *target, const char *credential)
{
    char *between = strchr(line, '\t');
    char *after = between == NULL ? NULL : strchr(between + 1, '\t');
    if (after == NULL) fail("a body of the plan has not three parts");
    *between++ = '\0';
    *after++ = '\0';
    struct template t;
    size_t body = strlen(line) + COUNTER + strlen(between) + SECOND + strlen(after);
    int head = asprintf(&t.text,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\nContent-Type: application/json;charset=utf-8\r\n"
                        "Content-Length: %zu\r\n\r\n%s%0*d%s%0*d%s",
                        target, credential, body, line, COUNTER, 0, between, SECOND, 0, after);
    if (head < 0) fail("no memory");
    t.length = (size_t)head;
    if (t.length > REQUEST) fail("a request is larger than %d bytes", REQUEST);
    t.counter_at = t.length - body + strlen(line);
    t.second_at = t.counter_at + COUNTER + strlen(between);
    if ((template_count & (template_count + 1)) == 0) {
        templates = realloc(templates, (template_count + 1) * 2 * sizeof *templates);
        if (templates == NULL) fail("no memory");
    }
    templates[template_count++] = t;
}

static void read_plan(const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) fail("%s: %s", path, strerror(errno));
    char *line = NULL, *heads[2] = {NULL, NULL};
    size_t room = 0;
    ssize_t length;
    for (int number = 0; (length = getline(&line, &room, file)) > 0; number++) {
        if (line[length - 1] == '\n') line[length - 1] = '\0';
        if (number < 2) heads[number] = strdup(line);
        else add_template(line, heads[0], heads[1]);
    }
    if (template_count == 0) fail("%s has no bodies", path);
    free(line);
    fclose(file);
}

/* ── One connection ───────────────────────────────────────────────────────────────────────────────────────────── */

static void open_connection(struct connection *c, uint32_t number, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->socket < 0 || connect(c->socket, (struct sockaddr *)&address, sizeof address) < 0)
        fail("cannot connect to port %u: %s", port, strerror(errno));
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->socket, F_SETFL, fcntl(c->socket, F_GETFL) | O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->socket, &event) < 0) fail("epoll_ctl: %s", strerror(errno));
}

static void watch(struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = (uint32_t)(c - connections)};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->socket, &event) < 0) fail("epoll_ctl: %s", strerror(errno));
}

static void send_rest(struct connection *c)
{
    bool waited = c->out_sent > 0;
    while (c->out_sent < c->out_length) {
        ssize_t n = send(c->socket, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            watch(c, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0) fail("the server closed a connection: %s", strerror(errno));
        c->out_sent += (size_t)n;
    }
    if (waited) watch(c, EPOLLIN);
}

static void write_second(char *place)
{
    static time_t clock;
    static char text[SECOND + 1];
    time_t now = time(NULL);
    if (now != clock) {
        struct tm t;
        gmtime_r(&now, &t);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &t);
        clock = now;
    }
    memcpy(place, text, SECOND);
}

static void send_request(struct connection *c, int64_t due, size_t index)
{
    const struct template *t = &templates[counter % template_count];
    char digits[24];
    snprintf(digits, sizeof digits, "%0*" PRIu64, COUNTER, ++counter);
    memcpy(c->out, t->text, t->length);
    memcpy(c->out + t->counter_at, digits, COUNTER);
    write_second(c->out + t->second_at);
    c->busy = true;
    c->due = due;
    c->began = now_ns();
    c->index = index;
    c->out_length = t->length;
    c->out_sent = c->in_length = 0;
    send_rest(c);
}

/* The length of a whole answer in the buffer, or 0 while more must come. */
static size_t answer_length(struct connection *c)
{
    char *end = memmem(c->in, c->in_length, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    *end = '\0';
    const char *field = strcasestr(c->in, "\r\ncontent-length:");
    *end = '\r';
    if (field == NULL) fail("an answer has no Content-Length");
    size_t length = (size_t)(end + 4 - c->in) + strtoul(field + 17, NULL, 10);
    if (length > ANSWER) fail("an answer is larger than %d bytes", ANSWER);
    return c->in_length >= length ? length : 0;
}

static uint32_t microseconds(int64_t nanoseconds)
{
    int64_t us = (nanoseconds + 500) / 1000;
    return us >= UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)us;
}

static void judge(struct connection *c, size_t length)
{
    int64_t now = now_ns();
    latencies[c->index] = microseconds(now - c->due);
    services[c->index] = microseconds(now - c->began);
    if (memcmp(c->in, "HTTP/1.1 2", 10) != 0) not_2xx++;
    else if (memmem(c->in, length, "\"accepted\":1,", 13) == NULL) not_accepted++;
    else accepted++;
}

/* True when the request in flight has been answered. */
static bool receive(struct connection *c)
{
    ssize_t n = recv(c->socket, c->in + c->in_length, ANSWER - c->in_length, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
    if (n <= 0) fail("the server closed a connection%s%s", n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
    if (!c->busy) fail("an answer to nothing");
    c->in_length += (size_t)n;
    size_t length = answer_length(c);
    if (length == 0) return false;
    judge(c, length);
    c->busy = false;
    return true;
}

/* ── The loop ─────────────────────────────────────────────────────────────────────────────────────────────────── */

struct schedule {
    int64_t start;
    double gap; /* ns */
    size_t total, next, answered;
    size_t backlog; /* the most requests that were due and had no connection */
};

static int64_t due_time(const struct schedule *s, size_t index)
{
    return s->start + (int64_t)((double)index * s->gap);
}

static void send_due(struct schedule *s)
{
    int64_t now = now_ns();
    while (s->next < s->total && idle_count > 0 && due_time(s, s->next) <= now) {
        send_request(&connections[idle[--idle_count]], due_time(s, s->next), s->next);
        s->next++;
    }
    if (s->next < s->total && due_time(s, s->next) <= now) {
        size_t due = (size_t)((double)(now - s->start) / s->gap) + 1;
        size_t waiting = (due > s->total ? s->total : due) - s->next;
        if (waiting > s->backlog) s->backlog = waiting;
    }
}

static bool receive_all(struct schedule *s)
{
    struct epoll_event events[256];
    size_t before = s->answered;
    int count;
    do {
        count = epoll_wait(poller, events, 256, 0);
        if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < count; i++) {
            struct connection *c = &connections[events[i].data.u32];
            if (events[i].events & EPOLLOUT) send_rest(c);
            if ((events[i].events & ~(uint32_t)EPOLLOUT) && receive(c)) {
                idle[idle_count++] = (int)(c - connections);
                s->answered++;
            }
        }
    } while (count == 256);
    return s->answered > before;
}

static void sleep_until(int64_t instant)
{
    struct timespec t = {.tv_sec = instant / 1000000000, .tv_nsec = instant % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}

static void run(struct schedule *s)
{
    int64_t tick = now_ns(), last = tick;
    while (s->answered < s->total) {
        if (receive_all(s)) last = now_ns();
        send_due(s);
        int64_t now = now_ns();
        if (now - last > PATIENCE * INT64_C(1000000000) && s->next > s->answered) fail("no answer for %d s", PATIENCE);
        tick = tick + TICK < now ? now : tick + TICK;
        sleep_until(tick);
    }
}

/* ── The report ───────────────────────────────────────────────────────────────────────────────────────────────── */

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The smallest value that at least this share of all do not exceed. */
static uint32_t percentile(const uint32_t *sorted, size_t count, double share)
{
    size_t rank = (size_t)(share * (double)count);
    if ((double)rank < share * (double)count) rank++;
    return sorted[rank == 0 ? 0 : rank - 1];
}

static void print_percentiles(const char *name, uint32_t *values, size_t count)
{
    static const struct { const char *name; double share; } wanted[] = {
        {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99_9", 0.999}, {"p99_99", 0.9999}, {"max", 1.0}};
    qsort(values, count, sizeof *values, ascending);
    printf(",\"%s\":{", name);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        printf("%s\"%s\":%" PRIu32, i == 0 ? "" : ",", wanted[i].name, percentile(values, count, wanted[i].share));
    putchar('}');
}

/* Of each second, by when a request was due: tells a machine that is slow for a while from one that is slow now and then. */
static void print_p99_by_second(const uint32_t *values, size_t count, double rate)
{
    uint32_t *second = allocate((size_t)rate + 2, sizeof *second);
    printf(",\"p99_by_second_us\":[");
    for (size_t from = 0, number = 1; from < count; number++) {
        size_t to = (size_t)((double)number * rate) < count ? (size_t)((double)number * rate) : count;
        /* What rounding leaves is no second. */
        if (to - from < (size_t)rate / 2 || to == from) break;
        memcpy(second, values + from, (to - from) * sizeof *second);
        qsort(second, to - from, sizeof *second, ascending);
        printf("%s%" PRIu32, from == 0 ? "" : ",", percentile(second, to - from, 0.99));
        from = to;
    }
    putchar(']');
    free(second);
}

int main(int count, char **arguments)
{
    if (count != 8) fail("usage: openloop <port> <plan> <first counter> <rate> <seconds> <connections> <warm-up seconds>");
    uint16_t port = (uint16_t)strtoul(arguments[1], NULL, 10);
    read_plan(arguments[2]);
    counter = strtoull(arguments[3], NULL, 10);
    double rate = strtod(arguments[4], NULL), seconds = strtod(arguments[5], NULL), warm_up = strtod(arguments[7], NULL);
    int width = atoi(arguments[6]);
    if (rate <= 0 || seconds <= 0 || width < 1 || width > 10000 || warm_up < 0) fail("a rate, time or width out of range");

    prctl(PR_SET_TIMERSLACK, 1UL);
    struct schedule s = {.gap = 1e9 / rate, .total = (size_t)((seconds + warm_up) * rate)};
    size_t skipped = (size_t)(warm_up * rate);
    if (s.total <= skipped) fail("nothing to measure");
    latencies = allocate(s.total, sizeof *latencies);
    services = allocate(s.total, sizeof *services);
    connections = allocate((size_t)width, sizeof *connections);
    idle = allocate((size_t)width, sizeof *idle);
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < width; i++) {
        open_connection(&connections[i], (uint32_t)i, port);
        idle[idle_count++] = i;
    }

    s.start = now_ns() + 10000000;
    run(&s);
    double took = (double)(now_ns() - s.start) / 1e9;

    size_t measured = s.total - skipped;
    printf("{\"rate\":%.1f,\"requests\":%zu,\"measured\":%zu,\"seconds\":%.3f,\"accepted\":%" PRIu64 ",\"not_2xx\":%" PRIu64
           ",\"not_accepted\":%" PRIu64 ",\"backlog\":%zu",
           rate, s.total, measured, took, accepted, not_2xx, not_accepted, s.backlog);
    print_p99_by_second(latencies + skipped, measured, rate);
    print_percentiles("latency_us", latencies + skipped, measured);
    print_percentiles("service_us", services + skipped, measured);
    puts("}");
    return 0;
}
