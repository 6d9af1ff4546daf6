package events

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/engine/value"
)

// TestSweepTakesWhatNothingNames has images of four fates: named by a row, named by
// a dead letter, orphans, and orphans that were written just now.
func TestSweepTakesWhatNothingNames(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e, err := engine.Open("", engine.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	now := time.Now()
	m := New(Deps{Store: e}, Options{Now: func() time.Time { return now }})
	require.NoError(t, prepare(ctx, e))
	var bodies, rows, letters []bson.Raw
	for i := range 2 * sweepPage {
		position := string(appendPosition(nil, bson.Timestamp{T: uint32(i + 1)}, 0))
		id := position + ":f:db"
		written := now.Add(-time.Hour + time.Duration(i/3000)*time.Minute) // many at one time
		name := bson.A{id}
		switch i % 4 {
		case 0:
			rows = append(rows, marshal(bson.D{{Key: "_id", Value: "s:" + position}, {Key: "position", Value: position}, {Key: fieldBodies, Value: name}}))
		case 1:
			letters = append(letters, marshal(bson.D{{Key: "_id", Value: "s:" + position}, {Key: fieldBodies, Value: name}}))
		case 2:
			written = now
		default: // the row of another database is at this position
			rows = append(rows, marshal(bson.D{{Key: "_id", Value: "o:" + position}, {Key: "position", Value: position}, {Key: fieldBodies, Value: bson.A{position + ":f:other"}}}))
		}
		bodies = append(bodies, marshal(bson.D{{Key: "_id", Value: id}, {Key: "written_at", Value: written}, {Key: "full_document", Value: bson.D{{Key: "i", Value: i}}}}))
	}
	require.NoError(t, insertAll(ctx, e, collBodies, bodies))
	require.NoError(t, insertAll(ctx, e, collLog, rows))
	require.NoError(t, insertAll(ctx, e, collDead, letters))
	left := func() map[int]int {
		out := map[int]int{}
		require.NoError(t, query(ctx, e, collBodies, nil, func(doc bson.Raw) error {
			out[int(value.GetPath(doc, []string{"full_document", "i"}).AsInt64())%4]++
			return nil
		}))
		return out
	}
	for range 100 {
		require.NoError(t, m.sweepBodies(ctx))
	}
	require.Equal(t, map[int]int{0: sweepPage / 2, 1: sweepPage / 2, 2: sweepPage / 2}, left())

	_, err = m.updateRows(ctx, collLog, bson.D{}, bson.D{{Key: "$unset", Value: bson.D{{Key: fieldBodies, Value: ""}}}})
	require.NoError(t, err)
	now = now.Add(time.Hour)
	for range 100 {
		require.NoError(t, m.sweepBodies(ctx))
	}
	require.Equal(t, map[int]int{1: sweepPage / 2}, left())
}

// TestBodiesAreWrittenOnce writes the same images again, as the same stretch of the
// stream is read again.
func TestBodiesAreWrittenOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e, err := engine.Open("", engine.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	body := func(i int, at time.Time, text string) bson.Raw {
		return marshal(bson.D{{Key: "_id", Value: fmt.Sprint(i)}, {Key: "written_at", Value: at}, {Key: "full_document", Value: bson.D{{Key: "text", Value: text}}}})
	}
	first := time.Now().Truncate(time.Millisecond)
	again := first.Add(time.Minute)
	require.NoError(t, writeBodies(ctx, e, []bson.Raw{body(1, first, "a"), body(2, first, "b")}))
	require.NoError(t, writeBodies(ctx, e, []bson.Raw{body(1, again, "x"), body(2, again, "y"), body(3, again, "c")}))
	var got []string
	require.NoError(t, query(ctx, e, collBodies, []bson.D{{{Key: "$sort", Value: asc("_id")}}}, func(doc bson.Raw) error {
		require.Equal(t, again.UnixMilli(), value.Lookup(doc, "written_at").AsDate(), "nobody takes it away now")
		got = append(got, strings.Clone(text(value.GetPath(doc, []string{"full_document", "text"}))))
		return nil
	}))
	slices.Sort(got)
	require.Equal(t, []string{"a", "b", "c"}, got)
}

// TestSharedRowsAreMadeWhole takes images out of rows and puts them back.
func TestSharedRowsAreMadeWhole(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 2000)
	row := func(id string, full, before any) bson.Raw {
		d := bson.D{{Key: "_id", Value: id}, {Key: "position", Value: "p"}}
		for _, f := range []bson.E{{Key: "full_document", Value: full}, {Key: "full_document_before_change", Value: before}} {
			if f.Value != nil {
				d = append(d, bson.E{Key: f.Key, Value: bson.D{{Key: "v", Value: f.Value}}})
			}
		}
		return marshal(append(d, bson.E{Key: "update_description", Value: bson.D{{Key: "small", Value: 1}}}, bson.E{Key: "size_bytes", Value: 7}))
	}
	rows := []bson.Raw{row("a", big, nil), row("b", nil, nil), row("c", big, big+"y")}
	out := routed{docs: slices.Clone(rows)}
	out.share(0, 0, sharing{position: "p", db: "db", at: time.Now()})
	require.Len(t, out.bodies, 2)
	found := map[string]bson.Raw{}
	for _, b := range out.bodies {
		found[text(value.Lookup(b, "_id"))] = b
	}
	for i, lean := range out.docs {
		ids := bodiesOf(lean)
		require.Len(t, ids, []int{1, 0, 2}[i])
		require.Less(t, len(lean), 400)
		if len(ids) == 0 {
			require.Equal(t, rows[i], lean)
			continue
		}
		var want, got bson.M
		require.NoError(t, bson.Unmarshal(rows[i], &want))
		require.NoError(t, bson.Unmarshal(whole(lean, ids, found), &got))
		require.Equal(t, want, got)
		require.Nil(t, whole(lean, ids, map[string]bson.Raw{}))
	}
	alone := routed{docs: []bson.Raw{rows[2]}}
	alone.share(0, 0, sharing{})
	require.Equal(t, rows[2], alone.docs[0], "of ordinary size")
}
