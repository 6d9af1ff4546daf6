// Package wire serves the PostgreSQL protocol, version 3.0 to 3.2. It knows no
// SQL and no MongoDB: statements, portals, settings and transactions belong to
// the Session that a Handler gives for each connection. Message bodies are
// coded by pgproto3; the state machine, the startup packet and the DataRow
// path are here.
//
// Start reading at handler.go (what wire asks for), then conn.go (the loop).
//
//	message                        file
//	StartupMessage, SSLRequest,
//	GSSENCRequest, CancelRequest   startup.go, packet.go
//	SASL                           scram.go
//	Query                          query.go
//	Parse, Close                   parse.go, close.go
//	Bind                           bind.go
//	Describe                       describe.go
//	Execute                        execute.go
//	Sync, Flush                    sync.go
//	CopyData, CopyDone, CopyFail   copyin.go, copyout.go
//	DataRow                        writer.go
//	ErrorResponse, NoticeResponse,
//	NotificationResponse,
//	ParameterStatus                respond.go
//
// Rules that the messages share: nothing acts before its Sync or Flush is due
// but everything queued is answered in order; one error, then messages are
// skipped until Sync; each Sync is answered once; Execute never describes;
// notifications arrive at once when the client is idle outside a transaction,
// else just before ReadyForQuery.
package wire
