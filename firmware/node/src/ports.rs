// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A printer's port from what its section in `node.toml` says. Nothing is opened yet.

use std::time::Duration;

use platen_hal::PrinterPort;
use platen_hal_linux::{FilePort, IppUsbSource, UsbPort};
use platen_net::{
    IppOptions, IppPort, LprOptions, LprPort, PortScheme, PortUri, PortUriError, SnmpOptions,
    SnmpPort, SocketOptions, SocketPort, TlsTrust,
};

use crate::config::PrinterConfig;
use crate::start::{PrinterUriFault, StartError};

/// The printer's port, by the scheme of its URI. Nothing is opened yet.
pub(crate) fn port(printer: &PrinterConfig) -> Result<Box<dyn PrinterPort>, StartError> {
    let fault = |source: PrinterUriFault| StartError::PrinterUri {
        name: printer.name.clone(),
        source,
    };
    let stall = Duration::from_secs(printer.stall_s);
    let uri = printer.uri.as_str();
    match uri.split_once(':') {
        Some(("usb", _)) => {
            let port = UsbPort::new(uri, stall).map_err(|error| fault(error.into()))?;
            let port = port.with_pjl(printer.pjl_status);
            Ok(Box::new(port))
        }
        Some(("ippusb", _)) => {
            let source = IppUsbSource::new(uri).map_err(|error| fault(error.into()))?;
            let port = IppPort::on_pipe(uri, Box::new(source), ipp_options(printer));
            Ok(Box::new(port))
        }
        Some(("file", _)) => {
            let port = FilePort::new(uri).map_err(|error| fault(error.into()))?;
            Ok(Box::new(port))
        }
        _ => {
            let uri: PortUri = uri
                .parse()
                .map_err(|error: PortUriError| fault(error.into()))?;
            let port = network_port(printer, uri.clone())?;
            Ok(with_snmp(printer, port, &uri))
        }
    }
}

fn network_port(printer: &PrinterConfig, uri: PortUri) -> Result<Box<dyn PrinterPort>, StartError> {
    let stall = Duration::from_secs(printer.stall_s);
    match uri.scheme {
        PortScheme::Socket => {
            let options = SocketOptions {
                stall,
                pjl: printer.pjl_status,
                job_reports: printer.reports_jobs(),
                report: Duration::from_secs(printer.report_s),
                ..SocketOptions::default()
            };
            Ok(Box::new(SocketPort::new(uri, options)))
        }
        PortScheme::Lpd => {
            let options = LprOptions {
                stall,
                ..LprOptions::default()
            };
            Ok(Box::new(LprPort::new(uri, options)))
        }
        _ => Ok(Box::new(ipp_port(printer, uri)?)),
    }
}

fn ipp_port(printer: &PrinterConfig, uri: PortUri) -> Result<IppPort, StartError> {
    let fault = |source| StartError::PrinterTls {
        name: printer.name.clone(),
        source,
    };
    let trust = match (&printer.tls_pin, &printer.tls_ca) {
        (Some(pin), _) => TlsTrust::from_pin(pin).map_err(fault)?,
        (None, Some(file)) => TlsTrust::from_file(file).map_err(fault)?,
        (None, None) => TlsTrust::Nobody,
    };
    IppPort::new(uri, &trust, ipp_options(printer)).map_err(fault)
}

fn ipp_options(printer: &PrinterConfig) -> IppOptions {
    IppOptions {
        stall: Duration::from_secs(printer.stall_s),
        ..IppOptions::default()
    }
}

/// The port, asked by SNMP too where that is set.
fn with_snmp(
    printer: &PrinterConfig,
    port: Box<dyn PrinterPort>,
    uri: &PortUri,
) -> Box<dyn PrinterPort> {
    let Some(community) = printer.snmp.clone() else {
        return port;
    };
    let options = SnmpOptions {
        community,
        port: printer.snmp_port,
        stall: Duration::from_secs(printer.stall_s),
        report: Duration::from_secs(printer.report_s),
    };
    Box::new(SnmpPort::new(port, uri, options))
}
