package expr

import (
	"context"
	"errors"

	"weir/engine/value"
	"weir/mongoerr"
)

const (
	// maxString bounds the strings that operators build, as the server's buffers do.
	maxString = 64 << 20
	// maxMemory bounds arrays and objects that operators build.
	maxMemory = 100 << 20
	// maxHeld bounds what the operands of all operators under way hold together.
	maxHeld = 512 << 20
	// maxFold is how many steps constants may take to be calculated while
	// compiling, and maxFolded how many bytes they may then have; what takes more
	// is left to be evaluated, where it can be cancelled.
	maxFold, maxFolded = 100_000, 1 << 20
	// stepKept is how many bytes of a calculated constant count as a step: all those
	// that are kept of one compilation are bounded by it.
	stepKept = 16

	checkEvery = 256
	// stepBytes is how many bytes are moved in about the time of a step.
	stepBytes = 1 << 10
)

var errFold = errors.New("too much to be calculated when compiling")

// Watch tells the evaluations of one execution when to give up.
type Watch struct {
	ctx   context.Context // of the call under way; nil: none
	steps int
	most  int // steps, 0: any number
}

// Attend has evaluations under c, and under the contexts that share its Watch,
// end with ctx.
func (c *Context) Attend(ctx context.Context) {
	if c.Watch == nil {
		c.Watch = &Watch{}
	}
	c.Watch.ctx = ctx
}

// Folding is a context for what is calculated before it is known who waits for
// it: evaluations that take long fail.
func Folding(vars []value.Value) *Context {
	return &Context{Vars: vars, Watch: newFolding()}
}

func newFolding() *Watch { return &Watch{most: maxFold} }

// Step counts a step of a long evaluation and tells when that must end.
func (c *Context) Step() error {
	if c == nil || c.Watch == nil {
		return nil
	}
	w := c.Watch
	if w.steps++; w.steps%checkEvery != 0 {
		return nil
	}
	return w.check()
}

// Steps is Step for work that cannot be left halfway: it asks before that is
// done, and counts it.
func (c *Context) Steps(n int) error {
	if c == nil || c.Watch == nil {
		return nil
	}
	c.Watch.steps += n
	return c.Watch.check()
}

func (w *Watch) check() error {
	if w.most > 0 && w.steps > w.most {
		return errFold
	}
	if w.ctx != nil {
		return w.ctx.Err()
	}
	return nil
}

// Fail keeps an error until the caller of who cannot return it asks for Failure.
func (c *Context) Fail(err error) {
	if c != nil && c.failed == nil {
		c.failed = err
	}
}

// Failure gives the error that Fail kept, once.
func (c *Context) Failure() error {
	if c == nil || c.failed == nil {
		return nil
	}
	err := c.failed
	c.failed = nil
	return err
}

// hold adds the bytes of an operand to those that are held; the caller restores
// held when its operator is done. Short ones are not worth counting.
func (c *Context) hold(v value.Value) error {
	if !v.IsLong(maxUnheld) {
		return nil
	}
	n := v.Size()
	if c.held += n; c.held > maxHeld {
		return tooMuch(c.held, maxHeld)
	}
	if n > maxUnwatched {
		return c.Steps(n / stepBytes)
	}
	return nil
}

const (
	maxUnheld = 256
	// maxUnwatched is the size from which an operand counts as work.
	maxUnwatched = 1 << 16
)

func tooMuch(n, limit int) error {
	return fail(mongoerr.ExceededMemoryLimit, "an expression would use too much memory (%d bytes) and cannot spill to disk. Memory limit: %d bytes", n, limit)
}

func checkMemory(n int) error {
	if n > maxMemory {
		return tooMuch(n, maxMemory)
	}
	return nil
}

func checkString(n int) error {
	if n > maxString {
		return fail(mongoerr.BufferTooLarge, "BufBuilder attempted to grow() to %d bytes, past the 64MB limit.", n)
	}
	return nil
}

// collector builds the array of an operator that makes its items one by one.
type collector struct {
	b value.Builder
	c *Context
}

func (l *collector) item(v value.Value) error {
	l.b.Item(v)
	if err := checkMemory(l.b.Size()); err != nil {
		return err
	}
	return l.c.Step()
}
