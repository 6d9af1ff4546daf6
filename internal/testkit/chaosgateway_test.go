package testkit_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"weir/events"
	"weir/gateway"
	"weir/internal/testkit"
)

// chaosVariable makes the test binary a gateway on the MongoDB that it names;
// chaosSkew is by how much its clock is wrong, chaosLogs the file that all of them log to.
const (
	chaosVariable = "WEIR_TEST_CHAOS_URI"
	chaosSkew     = "WEIR_TEST_CHAOS_SKEW"
	chaosLogs     = "WEIR_TEST_CHAOS_LOG"
)

const (
	chaosDatabase = "chaos"
	chaosLease    = time.Second
)

// chaosGateway is the program of a gateway process. It prints where it listens
// and reads lines "STEP N" from its input: it ends when STEP is done for the
// Nth time from then on. It ends with its input and on SIGTERM, too.
func chaosGateway(uri string) int {
	var mu sync.Mutex
	var armed events.Step
	var left int
	step := func(s events.Step) {
		mu.Lock()
		defer mu.Unlock()
		if s == armed {
			if left--; left == 0 {
				os.Exit(3)
			}
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	skew, _ := time.ParseDuration(os.Getenv(chaosSkew))
	g, err := gateway.Open(ctx, gateway.Options{MongoURI: uri, Await: true, AllowPrivateTargets: true, EventLease: chaosLease, EventStep: step, Host: strconv.Itoa(os.Getpid()),
		Logger: chaosLogger(), Now: func() time.Time { return time.Now().Add(skew) }})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			mu.Lock()
			_, _ = fmt.Sscan(in.Text(), &armed, &left)
			mu.Unlock()
		}
		os.Exit(0)
	}()
	fmt.Println(g.SQLAddr()) //nolint:forbidigo // what the test waits for
	if err := g.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "a gateway ended:", err)
		return 1
	}
	_ = g.Close()
	return 0
}

func chaosLogger() *slog.Logger {
	file := os.Getenv(chaosLogs)
	if file == "" {
		return nil
	}
	out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil
	}
	return slog.New(slog.NewTextHandler(out, nil)).With("gateway", os.Getpid())
}

// chaosProcess is a gateway in a process of its own, behind a proxy of its own to
// the store.
type chaosProcess struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	proxy *testkit.Proxy
	addr  string
	ended chan struct{}

	mu       sync.Mutex
	commands int  // that write, until the process is killed, 0: it is not
	answered bool // it is killed when the last of them is answered, not before it
	killed   bool // so
}

// startChaosGateway starts a gateway on the store at an address, with a clock that is wrong.
func startChaosGateway(t *testing.T, store string, skew time.Duration) *chaosProcess {
	t.Helper()
	for {
		p := &chaosProcess{proxy: testkit.StartProxy(t, store), ended: make(chan struct{})}
		p.proxy.Judge(p.judge)
		if p.start(t, skew) {
			return p
		}
	}
}

// start runs the process until it listens; false: it ended before.
func (p *chaosProcess) start(t *testing.T, skew time.Duration) bool {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p.cmd = exec.Command(self)
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=mongodb://%s/?directConnection=true", chaosVariable, p.proxy.Addr()), fmt.Sprintf("%s=%s", chaosSkew, skew))
	p.cmd.Stderr = os.Stderr
	p.in, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	p.addr = strings.TrimSpace(line)
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	return err == nil
}

// arm has the process end when a step is done for the nth time.
func (p *chaosProcess) arm(s events.Step, nth int) { _, _ = fmt.Fprintf(p.in, "%s %d\n", s, nth) }

// writing are the commands of MongoDB that change something.
var writing = map[string]bool{"insert": true, "update": true, "delete": true, "findAndModify": true, "bulkWrite": true, "commitTransaction": true}

// armCommand has the process killed at the nth command from now on that writes:
// in its place, or in the place of its answer. 0: not any more.
func (p *chaosProcess) armCommand(nth int, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commands, p.answered = nth, answered
}

func (p *chaosProcess) judge(name string) testkit.Fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.commands == 0 || !writing[name] {
		return testkit.Fate{}
	}
	if p.commands--; p.commands > 0 {
		return testkit.Fate{}
	}
	p.killed = true
	end := func() { _ = p.cmd.Process.Kill() }
	if p.answered {
		return testkit.Fate{Answered: end}
	}
	return testkit.Fate{Instead: end}
}

// byCommand tells whether a command was the end of the process.
func (p *chaosProcess) byCommand() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killed
}

func (p *chaosProcess) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// sleep stops the process for a time; then it goes on as if nothing had happened.
func (p *chaosProcess) sleep(d time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(d)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
}

func (p *chaosProcess) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// memory is the resident memory of the process in bytes, 0: nobody knows.
func (p *chaosProcess) memory() int {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if f := strings.Fields(string(raw)); err == nil && len(f) > 1 {
		pages, _ := strconv.Atoi(f[1])
		return pages * os.Getpagesize()
	}
	return 0
}

func (p *chaosProcess) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("postgres://chaos@%s/%s?sslmode=disable", p.addr, chaosDatabase))
}
