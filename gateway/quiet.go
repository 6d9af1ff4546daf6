package gateway

import (
	"time"

	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// quiet is the session of expressions that no client runs: those of
// subscriptions. Times are in UTC.
type quiet struct{ now time.Time }

func (*quiet) User() string                  { return "weir" }
func (*quiet) SessionUser() string           { return "weir" }
func (*quiet) Database() string              { return "" }
func (*quiet) BackendPID() uint32            { return 0 }
func (q *quiet) Types() *sqltype.Env         { return &sqltype.Env{Now: q.now} }
func (q *quiet) StatementTime() time.Time    { return q.now }
func (q *quiet) TransactionTime() time.Time  { return q.now }
func (*quiet) Setting(string) (string, bool) { return "", false }
func (*quiet) Notice(*sqlerr.Error)          {}
func (*quiet) System() sqlfunc.System        { return nil }
func (*quiet) SetSetting(n, _ string, _ bool) error {
	return sqlerr.New(sqlerr.CantChangeRuntimeParam, "parameter \"%s\" cannot be changed here", n)
}
