package events_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/internal/testkit"
)

// untilLines ends a copy when it has so many lines.
type untilLines struct {
	bytes.Buffer
	want int
	full context.CancelFunc
}

func (u *untilLines) Write(p []byte) (int, error) {
	if u.want -= bytes.Count(p, []byte{'\n'}); u.want <= 0 {
		defer u.full()
	}
	return u.Buffer.Write(p)
}

// A subscriber that reads the log from its beginning is given what the log holds,
// page after page: inserts, updates and deletes, rows whose images are elsewhere
// among them, and nothing twice.
func TestCatchUpGivesWhatTheLogHolds(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, note text)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION feed ON docs`)
	const n = 4500
	exec(t, conn, `INSERT INTO docs (_id, note) SELECT i, CASE WHEN i %% 1000 = 7 THEN repeat('large', 15000) ELSE 'note' || chr(9) || i END FROM generate_series(1, %d) i`, n)
	exec(t, conn, `UPDATE docs SET note = 'changed' WHERE _id %% 100 = 0`)
	exec(t, conn, `DELETE FROM docs WHERE _id %% 500 = 0`)
	const events = n + n/100 + n/500
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('feed')`) == events
	}, patience, 20*time.Millisecond)
	var want bytes.Buffer
	_, err := conn.PgConn().CopyTo(t.Context(), &want, `COPY (SELECT position, false, * FROM CHANGE_STREAM_EVENTS('feed') ORDER BY position) TO STDOUT`)
	require.NoError(t, err)
	require.Equal(t, events, strings.Count(want.String(), "\n"))
	for i, from := range []string{"AS OF '2000-01-01Z'", "WITH (SNAPSHOT)", "AS OF now() - interval '10 minutes'"} {
		ctx, cancel := context.WithCancel(t.Context())
		got := &untilLines{want: events, full: cancel}
		_, err := g.Connect(t).PgConn().CopyTo(ctx, got, fmt.Sprintf(`COPY (SUBSCRIBE TO feed %s) TO STDOUT`, from))
		require.Error(t, err)
		require.True(t, got.String() == want.String(), "%d: the lines differ", i)
	}
}
