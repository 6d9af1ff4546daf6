package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
)

// tlsFlags name the certificate of both listeners.
type tlsFlags struct{ cert, key, ca string }

func (f *tlsFlags) add(fs *flag.FlagSet) {
	fs.StringVar(&f.cert, "tls-cert", "", "`FILE` with the server's certificate chain (PEM); clients of both ports must then use TLS")
	fs.StringVar(&f.key, "tls-key", "", "`FILE` with the certificate's private key (PEM)")
	fs.StringVar(&f.ca, "tls-ca", "", "`FILE` with authorities (PEM); clients must show a certificate that one of them signed")
}

// load reads the files; nil without --tls-cert.
func (f *tlsFlags) load() (*tls.Config, error) {
	switch {
	case f.cert == "" && f.key == "" && f.ca == "":
		return nil, nil
	case f.cert == "":
		return nil, errUsage{errors.New("--tls-key and --tls-ca need --tls-cert")}
	case f.key == "":
		return nil, errUsage{errors.New("--tls-cert needs --tls-key")}
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, errUsage{fmt.Errorf("--tls-cert, --tls-key: %w", err)}
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if f.ca == "" {
		return c, nil
	}
	pem, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, errUsage{fmt.Errorf("--tls-ca: %w", err)}
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, errUsage{fmt.Errorf("--tls-ca: no certificate in %q", f.ca)}
	}
	return c, nil
}
