package events

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// standing is a stream whose token and server are at chosen times.
type standing struct {
	store.ChangeStream
	token, server uint32
}

func (s *standing) ResumeToken() bson.Raw {
	return marshal(bson.D{{Key: "_data", Value: fmt.Sprintf("82%08X%08X2B", s.token, 1)}})
}

func (s *standing) OperationTime() bson.Timestamp { return bson.Timestamp{T: s.server, I: 1} }

func TestStreamThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &standing{token: 100, server: 100}
		r := &reader{stream: s}
		for range 100 { // nothing happens anywhere
			time.Sleep(time.Second)
			require.NoError(t, r.moves())
		}
		for range 100 { // the server goes on, and so does the token, more slowly
			time.Sleep(time.Second)
			s.server, s.token = s.server+2, s.token+1
			require.NoError(t, r.moves())
		}
		stood := func() (d time.Duration) {
			for began := time.Now(); ; {
				time.Sleep(time.Second)
				if s.server++; r.moves() != nil {
					r.learn(errStands)
					require.Equal(t, "stalled", r.stats.status())
					return time.Since(began)
				}
			}
		}
		require.InDelta(t, stallAfter, stood(), float64(2*time.Second))
		require.InDelta(t, 2*stallAfter, stood(), float64(2*time.Second))
		s.token++
		require.NoError(t, r.moves())
		require.Equal(t, "running", r.stats.status())
		require.InDelta(t, stallAfter, stood(), float64(2*time.Second))
	})
}

func TestStreamThatIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		began := time.Now()
		r.asked.Store(began.UnixNano())
		require.ErrorIs(t, r.watchdog(t.Context(), stallAfter), errSilent)
		require.InDelta(t, stallAfter, time.Since(began), float64(2*time.Second))
		r.recovery.silence = stallAfter
		r.learn(errSilent)
		require.Equal(t, 2*stallAfter, r.recovery.silence)
		r.heard()
		require.Equal(t, stallAfter, r.recovery.silence)
	})
}
