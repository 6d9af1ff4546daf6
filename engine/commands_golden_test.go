package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/engine/value"
	"weir/mongoerr"
)

// TestCommandsGolden runs the files in testdata/commands against an empty
// engine each: "run" runs one command a line in database d ("db=NAME": in
// another) and prints of each reply the documents of a cursor, or the reply
// without what every reply holds, or the error's code. Lines that begin with #
// say what the commands are about.
func TestCommandsGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/commands", func(t *testing.T, path string) {
		now := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
		e := openEngine(t, "", engine.Options{Now: func() time.Time { return now }})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			db := "d"
			d.MaybeScanArgs(t, "db", &db)
			var out strings.Builder
			switch d.Cmd {
			case "run":
				for line := range strings.Lines(d.Input) {
					if !strings.HasPrefix(line, "#") {
						fmt.Fprintln(&out, answerOf(t, e, db, js(t, line)))
					}
				}
			case "expire": // moves the clock and looks for what has expired
				var seconds int
				d.ScanArgs(t, "after", &seconds)
				now = now.Add(time.Duration(seconds) * time.Second)
				n, err := e.SweepExpired(context.Background(), now)
				require.NoError(t, err)
				return fmt.Sprintln(n, "expired")
			default:
				d.Fatalf(t, "unknown directive %s", d.Cmd)
			}
			return out.String()
		})
	})
}

func answerOf(t *testing.T, e *engine.Engine, db string, cmd bson.Raw) string {
	reply, err := e.Command(context.Background(), db, cmd)
	var refused *mongoerr.Error
	if errors.As(err, &refused) {
		return fmt.Sprintf("error %d: %s", refused.Code, refused.Message)
	}
	require.NoError(t, err)
	if docs := value.Lookup(value.Lookup(reply, "cursor").Doc(), "firstBatch"); docs.IsArray() {
		var lines []string
		for it := value.Walk(docs.Doc()); it.Next(); {
			lines = append(lines, plainJSON(t, it.Value().Doc()))
		}
		return "[" + strings.Join(lines, "\n ") + "]"
	}
	start, rest := value.BeginDocument(nil)
	for it := value.Walk(reply); it.Next(); {
		if k := it.Key(); k != "ok" && k != "operationTime" && k != "$clusterTime" {
			rest = append(rest, it.Element()...)
		}
	}
	return plainJSON(t, value.EndDocument(rest, start))
}

func plainJSON(t *testing.T, d bson.Raw) string {
	text, err := bson.MarshalExtJSON(d, false, false)
	require.NoError(t, err)
	return string(text)
}
