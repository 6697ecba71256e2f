import java.io.File;
import uk.ac.starlink.topcat.ControlWindow;
import uk.ac.starlink.topcat.Driver;

/**
 * TOPCAT's user: it does what docs/topcat.md tells, with the components of TOPCAT's own windows, says what it sees, and takes
 * pictures.
 *
 * usage: java -cp topcat.jar:classes Topcat asks|gathers TAP_URL FOLDER
 */
public final class Topcat {
    /** All of it takes half a minute. */
    private static final int MOST_S = 240;

    public static void main(String[] args) throws Exception {
        File folder = new File(args[2]);
        Thread end = new Thread(() -> giveUp(folder));
        end.setDaemon(true);
        end.start();
        try {
            Driver.main(new String[] {"-memory", "-nohub"});
            Screen.until("the control window opens", () -> ControlWindow.getInstance(false) != null && ControlWindow.getInstance().isShowing());
            ControlWindow control = ControlWindow.getInstance();
            TapWindow tap = TapWindow.open(control, args[1]);
            if (args[0].equals("asks")) {
                Asks.session(control, tap, folder);
            } else {
                Gathers.session(control, tap, folder);
            }
            System.exit(0);
        } catch (Throwable error) {
            error.printStackTrace();
            Screen.shoot(new File(folder, "failure.png"), Screen.WHOLE);
            // Not with TOPCAT's own end, which may wait for what hangs.
            Runtime.getRuntime().halt(1);
        }
    }

    private static void giveUp(File folder) {
        try {
            Thread.sleep(MOST_S * 1000L);
            System.err.println("not done within " + MOST_S + " s");
            Screen.shoot(new File(folder, "failure.png"), Screen.WHOLE);
        } catch (Exception error) {
            error.printStackTrace();
        } finally {
            Runtime.getRuntime().halt(1);
        }
    }
}
