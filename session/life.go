package session

import "context"

// life is the context of rows that outlive the statement that opened them:
// suspended portals and cursors. While a statement pulls them its cancel is
// theirs.
type life struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// enter gives the context to pull rows with during a statement.
func (l *life) enter(ctx context.Context) (context.Context, func()) {
	if l.ctx == nil {
		l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	}
	stop := context.AfterFunc(ctx, l.cancel)
	return l.ctx, func() { stop() }
}

func (l *life) end() {
	if l.cancel != nil {
		l.cancel()
	}
}
