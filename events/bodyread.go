package events

import (
	"context"
	"io"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/store"
)

// Bounds of the rows that are made whole together.
const (
	wholeRows  = 500
	wholeBytes = 4 << 20
)

// wholeCursor gives the rows of a cursor with the images that they name. A row that
// names none is passed on as it is.
type wholeCursor struct {
	q    store.Queryer
	rows store.Cursor
	page []bson.Raw
	err  error // behind the page
	most int   // rows of the next page: it grows, a first row is soon there

	computes bool // event_data, too
}

var _ store.Cursor = (*wholeCursor)(nil)

func newWholeCursor(q store.Queryer, rows store.Cursor) *wholeCursor {
	return &wholeCursor{q: q, rows: rows, most: 8}
}

// Next implements store.Cursor.
func (c *wholeCursor) Next(ctx context.Context) (bson.Raw, error) {
	if len(c.page) == 0 {
		if c.err != nil {
			return nil, c.err
		}
		row, err := c.rows.Next(ctx)
		if err != nil || apart(row) == 0 {
			return row, err
		}
		if err := c.read(ctx, slices.Clone(row)); err != nil {
			return nil, err
		}
	}
	row := c.page[0]
	c.page = c.page[1:]
	return row, nil
}

// read makes a page whole that begins with a row.
func (c *wholeCursor) read(ctx context.Context, row bson.Raw) error {
	c.page = c.page[:0:0]
	for size := 0; ; row = slices.Clone(row) {
		c.page = append(c.page, row)
		if size += len(row) + apart(row); len(c.page) == c.most || size >= wholeBytes {
			break
		}
		if row, c.err = c.rows.Next(ctx); c.err != nil {
			break
		}
	}
	c.most = min(2*c.most, wholeRows)
	lean := slices.Clone(c.page)
	lost, err := makeWhole(ctx, c.q, c.page, math.MaxInt)
	if err == nil && lost > 0 {
		err = lostBody(c.page)
	}
	for i := range c.page {
		if c.computes && err == nil && apart(lean[i]) > 0 {
			c.page[i] = recomputed(c.page[i])
		}
	}
	return err
}

// lostBody is the error of rows of which one has lost an image.
func lostBody(rows []bson.Raw) error {
	e := sqlerr.New(sqlerr.DataCorrupted, "%s", errBodyGone.Error())
	for _, row := range rows {
		if ids := bodiesOf(row); len(ids) > 0 {
			return e.WithDetail("It is event %s; its images are %q.", text(value.Lookup(row, "_id")), ids).
				WithHint("Leave event_data, full_document, full_document_before_change and update_description out.")
		}
	}
	return e
}

// Close implements store.Cursor.
func (c *wholeCursor) Close() error { return c.rows.Close() }

// wholeRow gives a row the images that it names; of a heavy one when there is room
// for them, until release gives it back.
func wholeRow(ctx context.Context, q store.Queryer, b *budget, kind budgetKind, row bson.Raw) (whole bson.Raw, release func(), err error) {
	release = func() {}
	n := apart(row)
	if n == 0 {
		return row, release, nil
	}
	if n > heavyRow {
		if release, err = b.reserve(ctx, kind, heavyTimes*n); err != nil {
			return nil, release, err
		}
	}
	rows := []bson.Raw{row}
	lost, err := makeWhole(ctx, q, rows, math.MaxInt)
	if err == nil && lost > 0 {
		err = lostBody(rows)
	}
	return rows[0], release, err
}

// queryWhole is query of rows with the images that they name.
func queryWhole(ctx context.Context, q store.Queryer, coll string, pipeline []bson.D, each func(bson.Raw) error) error {
	stages := make([]bson.Raw, len(pipeline))
	for i, s := range pipeline {
		stages[i] = marshal(s)
	}
	rows, err := q.Aggregate(ctx, ns(coll), stages, store.AggregateOptions{})
	if err != nil {
		return err
	}
	cur := newWholeCursor(q, rows)
	defer func() { _ = cur.Close() }()
	for {
		row, err := cur.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = each(row)
		}
		if err != nil {
			return err
		}
	}
}

// imagesLate has the images of rows read where a statement asks for them.
var imagesLate = &catalog.Late{
	Fields: []string{"full_document", "full_document_before_change", "update_description", "event_data"},
	Mark:   fieldBodies,
	Fill: func(q store.Queryer, rows store.Cursor) store.Cursor {
		c := newWholeCursor(q, rows)
		c.computes = true
		return c
	},
}

// recomputed gives a row that was made whole with its event_data, which was computed
// without the images.
func recomputed(row bson.Raw) bson.Raw {
	var b value.Builder
	b.Reset(make([]byte, 0, len(row)))
	for it := value.Walk(row); it.Next(); {
		if it.Key() != "event_data" {
			b.AddElement(it.Element())
		}
	}
	return Computed(b.Doc())
}
