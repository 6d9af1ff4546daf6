package remote

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"weir/store"
)

var _ store.Sessions = (*Store)(nil)

// session is a driver session that never goes back to the driver's pool: its id stays
// with who has it, so that killing it hits nobody else.
type session struct {
	client *mongo.Client
	sess   *mongo.Session
	id     []byte
}

// Session implements store.Sessions.
func (s *Store) Session() (store.Session, error) {
	sess, err := s.client.StartSession()
	if err != nil {
		return nil, convert(err)
	}
	_, id := sess.ID().Lookup("id").Binary()
	return &session{client: s.client, sess: sess, id: id}, nil
}

// KillSessions implements store.Sessions.
func (s *Store) KillSessions(ctx context.Context, ids [][]byte) error {
	return sessionCommand(ctx, s.client, "killSessions", ids)
}

// EndSessions implements store.Sessions.
func (s *Store) EndSessions(ctx context.Context, ids [][]byte) error {
	return sessionCommand(ctx, s.client, "endSessions", ids)
}

func sessionCommand(ctx context.Context, client *mongo.Client, name string, ids [][]byte) error {
	if len(ids) == 0 { // an empty list stands for all sessions there are
		return nil
	}
	list := make(bson.A, len(ids))
	for i, id := range ids {
		list[i] = bson.D{{Key: "id", Value: bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id}}}
	}
	return convert(client.Database("admin").RunCommand(ctx, bson.D{{Key: name, Value: list}}).Err())
}

// ID implements store.Session.
func (s *session) ID() []byte { return s.id }

// Begin implements store.Session.
func (s *session) Begin(context.Context) (store.Tx, error) {
	if err := startTransaction(s.sess); err != nil {
		return nil, convert(err)
	}
	return &tx{client: s.client, sess: s.sess, stays: true}, nil
}
