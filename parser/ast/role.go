package ast

// CreateRole is CREATE ROLE | USER | GROUP name [WITH] [option …]
type CreateRole struct {
	Stmt
	IfNotExists bool
	User        bool // CREATE USER: LOGIN is the default
	Name        Ident
	Options     []*RoleOption
}

// AlterRole is ALTER ROLE | USER name [WITH] option … | [IN DATABASE db] SET … | RESET …
type AlterRole struct {
	Stmt
	All      bool // ALTER ROLE ALL
	Name     Ident
	Options  []*RoleOption
	Database Ident
	Set      *Set
	Reset    *Reset
}

// RoleOption is [NO]SUPERUSER | … | PASSWORD 'p' | CONNECTION LIMIT n | VALID UNTIL 't' | IN ROLE r, … | ROLE r, … | ADMIN r, …
type RoleOption struct {
	Span
	Name  string // lower case, without NO: "login", "password", "in role", …
	No    bool
	Value Expr // nil for PASSWORD NULL
	Roles []Ident
}

// DropRole is DROP ROLE | USER | GROUP [IF EXISTS] name, …
type DropRole struct {
	Stmt
	IfExists bool
	Names    []Ident
}

// Grant is
//
//	GRANT privilege, … | ALL [PRIVILEGES] ON kind name, … TO role, … [WITH GRANT OPTION] [GRANTED BY role]
//	REVOKE [GRANT OPTION FOR] privilege, … ON kind name, … FROM role, … [CASCADE | RESTRICT]
type Grant struct {
	Stmt
	Revoke     bool
	OptionFor  bool // REVOKE GRANT OPTION FOR
	Privileges []*Privilege
	AllOf      bool // ALL PRIVILEGES; then Privileges may hold one with columns
	Kind       ObjectKind
	InSchema   bool // ALL TABLES IN SCHEMA: Names are schemas
	Names      []*Name
	Args       [][]*TypeName
	Roles      []Ident
	WithOption bool
	GrantedBy  Ident
	Behavior   Behavior
}

// Privilege is name [(column, …)]
type Privilege struct {
	Span
	Name    string // upper case
	Columns []Ident
}

// GrantRole is GRANT role, … TO role, … [WITH ADMIN OPTION] | REVOKE [ADMIN OPTION FOR] role, … FROM role, …
type GrantRole struct {
	Stmt
	Revoke     bool
	OptionFor  bool
	Granted    []Ident
	Roles      []Ident
	WithOption bool
	GrantedBy  Ident
	Behavior   Behavior
}

func (n *CreateRole) children(visit func(Node)) {
	visitAll(visit, n.Options)
}

func (n *AlterRole) children(visit func(Node)) {
	visitAll(visit, n.Options)
	visitOne(visit, n.Set)
	visitOne(visit, n.Reset)
}

func (n *RoleOption) children(visit func(Node)) {
	visitAny(visit, n.Value)
}

func (n *Grant) children(visit func(Node)) {
	visitAll(visit, n.Privileges)
	visitAll(visit, n.Names)
	for _, l := range n.Args {
		visitAll(visit, l)
	}
}
