package session

import (
	"context"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/parser/ast"
)

// live is FETCH of a subscription, which only goes forward.
func (f *fetchCursor) live(ctx context.Context, cur *cursor, p poller) ([]bson.Raw, error) {
	n := f.stmt.Count
	switch f.stmt.Direction {
	case ast.FetchForward:
		if f.stmt.All {
			n = -1
		} else if n < 0 {
			return nil, cur.forwardOnly()
		}
	case ast.FetchBackward:
		if f.stmt.All || n > 0 {
			return nil, cur.forwardOnly()
		}
		n = -n
	case ast.FetchAbsolute:
		if n < 0 || n < int64(cur.pos) {
			return nil, cur.forwardOnly()
		}
		return f.row(ctx, cur, p, n-int64(cur.pos))
	case ast.FetchRelative:
		if n < 0 {
			return nil, cur.forwardOnly()
		}
		return f.row(ctx, cur, p, n)
	}
	if n == 0 {
		return one(cur.current(), nil)
	}
	return f.poll(ctx, cur, p, n)
}

// row gives the row so many further on, 0: the current one.
func (f *fetchCursor) row(ctx context.Context, cur *cursor, p poller, ahead int64) ([]bson.Raw, error) {
	if ahead == 0 {
		return one(cur.current(), nil)
	}
	to := cur.pos + int(ahead)
	for cur.pos < to && !cur.eof {
		docs, err := f.poll(ctx, cur, p, int64(to-cur.pos))
		switch {
		case err != nil:
			return nil, err
		case cur.pos == to && len(docs) > 0:
			return docs[len(docs)-1:], nil
		case len(docs) == 0:
			return nil, nil
		}
	}
	return nil, nil
}

// poll waits for the first row and takes those that are there, at most so many;
// negative: all.
func (f *fetchCursor) poll(ctx context.Context, cur *cursor, p poller, most int64) ([]bson.Raw, error) {
	var docs []bson.Raw
	wait := f.wait
	for most < 0 || int64(len(docs)) < most {
		step := wait
		if step < 0 {
			step = time.Second
		}
		doc, err := p.poll(ctx, step)
		switch {
		case err == io.EOF:
			cur.eof = true
			cur.pos++
			return docs, nil
		case err != nil:
			return nil, err
		case doc == nil && wait < 0:
			continue // without a timeout the first row is waited for
		case doc == nil:
			return docs, nil
		}
		cur.last = append(bson.Raw(nil), doc...)
		cur.pos++
		docs = append(docs, cur.last)
		wait = 0
	}
	return docs, nil
}
