import eu.europa.esig.dss.diagnostic.SignatureWrapper;
import eu.europa.esig.dss.diagnostic.TimestampWrapper;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.File;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Judges ASiC-E containers with EU DSS, its own unmodified policy and no network, and prints what it said.
 *
 * Arguments: a folder of certificates to trust, then the containers.
 */
public final class Judge {
    public static void main(String[] arguments) throws Exception {
        CommonTrustedCertificateSource trusted = new CommonTrustedCertificateSource();
        try (var files = Files.list(Path.of(arguments[0]))) {
            for (Path file : files.sorted().toList()) {
                try (InputStream in = Files.newInputStream(file)) {
                    trusted.addCertificate(DSSUtils.loadCertificate(in));
                }
            }
        }
        for (int i = 1; i < arguments.length; i++) {
            System.out.println("judged " + new File(arguments[i]).getName());
            try {
                judge(new File(arguments[i]), trusted);
            } catch (RuntimeException refused) {
                System.out.println("refused " + refused.getClass().getSimpleName());
            }
        }
    }

    private static void judge(File file, CommonTrustedCertificateSource trusted) {
        CommonCertificateVerifier verifier = new CommonCertificateVerifier();
        verifier.setTrustedCertSources(trusted);
        SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(file));
        validator.setCertificateVerifier(verifier);
        Reports reports = validator.validateDocument();
        SimpleReport simple = reports.getSimpleReport();
        System.out.println("container " + simple.getContainerType());
        for (SignatureWrapper signature : reports.getDiagnosticData().getSignatures()) {
            String id = signature.getId();
            System.out.println("signature " + simple.getIndication(id) + " " + simple.getSubIndication(id)
                + " " + signature.getSignatureFormat() + " " + signature.getFilename());
            simple.getAdESValidationErrors(id).forEach(note -> System.out.println("error " + note.getValue()));
            simple.getAdESValidationWarnings(id).forEach(note -> System.out.println("warning " + note.getValue()));
        }
        for (TimestampWrapper stamp : reports.getDiagnosticData().getTimestampList()) {
            System.out.println("timestamp " + simple.getIndication(stamp.getId()) + " " + stamp.getType()
                + " " + stamp.getTimestampedSignatures().size() + " " + stamp.getFilename());
        }
    }
}
