package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// secure has the server speak TLS, with a certificate made for the occasion, and the callers believe it. They take up
// sessions again, as the agent does.
func (s *soak) secure() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	certFile, keyFile := filepath.Join(s.data, "tls.pem"), filepath.Join(s.data, "tls.key")
	err = errors.Join(os.WriteFile(certFile, chain, 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	if err != nil {
		return err
	}
	s.flags = append(s.flags, "--tls-cert", certFile, "--tls-key", keyFile)
	s.roots = x509.NewCertPool()
	s.roots.AppendCertsFromPEM(chain)
	return nil
}

// dial opens a connection to the server.
func (c *soakCaller) dial() error {
	conn, err := net.DialTimeout("tcp", c.addr, time.Second)
	if err != nil {
		return err
	}
	if tcp, ok := conn.(*net.TCPConn); ok && c.options.fresh {
		// Its port is free again at once when it is closed: a million devices have more addresses than one.
		err = tcp.SetLinger(0)
	}
	if c.roots != nil {
		conn = tls.Client(conn, &tls.Config{RootCAs: c.roots, ServerName: "127.0.0.1", ClientSessionCache: c.sessions})
	}
	c.conn = conn
	return err
}
